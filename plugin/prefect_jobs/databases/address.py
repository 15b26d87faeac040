"""Which database a URL names, and what went wrong with it, told without its secrets.

A person writes `postgresql://…` and need not know which drivers there are, let alone that the index wants one that
awaits and the event store one that does not. A URL holds a password, and the libraries that read it repeat what they
could not read: nothing of it may come into an error of ours.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

Driver = Literal["sync", "async"]
POSTGRESQL = "postgresql"
SQLITE = "sqlite"
_DRIVERS: dict[str, dict[Driver, str]] = {
    SQLITE: {"sync": "sqlite+pysqlite", "async": "sqlite+aiosqlite"},
    POSTGRESQL: {"sync": "postgresql+psycopg", "async": "postgresql+psycopg"},
}
_SPELLINGS = {"postgres": POSTGRESQL}

CONNECT_WITHIN = 5
"""Seconds that a PostgreSQL server has to answer a new connection, unless the URL says `connect_timeout`."""


class DatabaseNotThere(Exception):
    """The database has not been made yet; the message says where, and who makes it."""


class DatabaseNotOpened(Exception):
    """A database cannot be used; the message is the reason, on one line and without secrets."""


def database_address(url: str, driver: Driver) -> URL:
    """Read the URL of a SQLite or PostgreSQL database, and choose the driver, whichever it names.

    Raises:
        DatabaseNotOpened: it is no URL, or names another kind of database.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        address = None
    if address is None or "@" in (address.host or ""):
        # Not with the cause, which repeats what it could not read: a part of the password.
        raise DatabaseNotOpened("the database URL cannot be read (an @ in its password is written as %40)")
    kind = address.get_backend_name()
    kind = _SPELLINGS.get(kind, kind)
    if kind not in _DRIVERS:
        raise DatabaseNotOpened(f"a database of the kind {kind!r} is not supported, only SQLite and PostgreSQL are")
    address = address.set(drivername=_DRIVERS[kind][driver])
    if kind == POSTGRESQL:
        defaults = {"connect_timeout": str(CONNECT_WITHIN), "application_name": "prefect-jobs"}
        address = address.update_query_dict(
            {name: text for name, text in defaults.items() if name not in address.query}
        )
    return address


@contextmanager
def not_opened() -> Generator[None]:
    """Say in one line why a database did not open.

    Raises:
        DatabaseNotOpened: SQLAlchemy or the driver raised an error.
    """
    try:
        yield
    except SQLAlchemyError as error:
        said = str(error.orig if isinstance(error, DBAPIError) else error).strip()
        raise DatabaseNotOpened(said.partition("\n")[0]) from error
