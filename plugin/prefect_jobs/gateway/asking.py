"""How the parts of the real door ask Prefect's API: one call, whose failures are already translated."""

from typing import Any, Protocol

PAGE = 200
"""Prefect answers at most this many runs, flows or log lines at once."""


class Ask(Protocol):
    """Ask Prefect's API and get the JSON of its answer, None for an empty one."""

    async def __call__(self, method: str, path: str, *, patient: bool = False, **options: Any) -> Any:
        """Ask once, or patiently: then what an overloaded server refuses is tried again.

        Raises:
            PrefectUnavailable: the server is away or overloaded.
            httpx.HTTPStatusError: it refuses.
        """
        ...
