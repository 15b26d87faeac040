"""Who asks, and what he may do (contract 16.8).

With API keys off everybody may do everything, under no name. With them on, the guard in front of the routes finds the
caller and leaves him in the request's scope.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from prefect_jobs.api.problems import unauthorized
from prefect_jobs.api_keys import ROLES, Role

SCOPE_KEY = "prefect_jobs.caller"
"""Where in the ASGI scope the guard leaves the ``Caller``, or None for one who did not say who he is."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks. ``name`` is that of the API key, None where nobody has to sign in."""

    name: str | None
    role: Role

    def may(self, role: Role) -> bool:
        """Whether he may do what takes this role."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def require(self, role: Role) -> None:
        """Let pass who has this role, or a more powerful one.

        Raises:
            HTTPException: 403, the role is short.
        """
        if not self.may(role):
            raise HTTPException(403, self.refusal(role))

    def refusal(self, role: Role) -> str:
        """Why he may not do what takes this role."""
        return f"This takes the role {role}, and your API key has the role {self.role}"


ANYBODY = Caller(None, "admin")


def _caller(connection: HTTPConnection) -> Caller | None:
    return connection.scope.get(SCOPE_KEY, ANYBODY)


def _some_caller(connection: HTTPConnection) -> Caller:
    caller = _caller(connection)
    if caller is None:
        raise unauthorized()
    return caller


TheCaller = Annotated[Caller, Depends(_some_caller)]

AnyCaller = Annotated[Caller | None, Depends(_caller)]
"""Who asks, on a route that also answers those who have not signed in: then None."""
