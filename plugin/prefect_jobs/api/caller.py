"""Who asks, and what he may do (contract 16.8).

With API keys off everybody may do everything, under no name. With them on, the guard in front of the routes finds the
caller and leaves him in the request's scope.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""From the least to the most powerful: each may do what the ones before it may."""

SCOPE_KEY = "prefect_jobs.caller"
"""Where in the ASGI scope the guard leaves the ``Caller``."""


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
            raise HTTPException(403, f"This takes the role {role}, and your API key has the role {self.role}")


ANYBODY = Caller(None, "admin")


def _caller(connection: HTTPConnection) -> Caller:
    return connection.scope.get(SCOPE_KEY, ANYBODY)


TheCaller = Annotated[Caller, Depends(_caller)]
