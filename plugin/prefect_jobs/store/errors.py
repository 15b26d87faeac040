"""The adapter's database in trouble, in our words.

StoreError
├── QueryTooSlow       the statement was given up
└── StoreUnavailable   the database cannot be reached, read or written, or is locked
    └── StoreFull      it has no room left
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from prefect_jobs.room import is_full

CANCELED = "57014"
"""PostgreSQL's code for a statement that its ``statement_timeout`` ended."""


_AWAY = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN
})  # fmt: skip
"""What SQLite says of a file that others hold, or that cannot be read or written."""


class StoreError(Exception):
    """The adapter's database could not answer."""

    code = "STORE_UNAVAILABLE"


class QueryTooSlow(StoreError):
    """The database did not answer within {limit} s - ask for less, or try again later"""

    code = "QUERY_TIMEOUT"

    def __init__(self, limit: float) -> None:
        super().__init__(f"The database did not answer within {limit:g} s - ask for less, or try again later")


class StoreUnavailable(StoreError):
    """The database is not reachable - try again shortly"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class StoreFull(StoreUnavailable):
    """Not enough space to write to the job index"""

    code = "NO_SPACE"


@contextmanager
def in_our_words(limit: float) -> Generator[None]:
    """Translate what the database raises, but for mistakes of ours; ``limit`` is the time a statement had.

    Raises:
        QueryTooSlow: it took longer.
        StoreUnavailable: the database cannot be reached, is locked, or has no connection left.
        StoreFull: it has no room left.
    """
    try:
        yield
    except (DBAPIError, NoFreeConnection) as error:
        translated = StoreUnavailable() if isinstance(error, NoFreeConnection) else _translated(error, limit)
        if translated is None:
            raise
        raise translated from error


def _translated(error: DBAPIError, limit: float) -> StoreError | None:
    cause = error.orig
    if is_full(error):
        return StoreFull()
    if getattr(cause, "sqlstate", None) == CANCELED:
        return QueryTooSlow(limit)
    if isinstance(cause, sqlite3.OperationalError):
        # The extended codes say more in their higher bytes.
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT:
            return QueryTooSlow(limit)
        return StoreUnavailable() if code in _AWAY else None
    if error.connection_invalidated or (isinstance(error, OperationalError) and not isinstance(cause, sqlite3.Error)):
        return StoreUnavailable()
    return None
