"""Prefect's embedded SQLite server wedges when several clients write at once: a run is created in a transaction that
reads before it writes, so somebody else's commit in between fails it at once (503), and a connection that waits for
the write lock can hold up the event loop that the lock's holder waits for (a silence of up to a minute).

With one database connection no transaction of the server ever meets another: measured, 20 clients at once get no 503
and no answer later than two seconds. Prefect has no setting for it (its pool sizes are ignored for SQLite), but
SQLAlchemy lets a database URL name a plugin, so the embedded server's URL ends in
``?plugin=prefect_jobs_one_connection`` and Prefect itself stays as it is.

One place in Prefect opens a second session inside a first (a task with a tag that has a concurrency limit). On SQLite
the two wait for each other either way, Prefect's own way for 60 seconds at a time; here the second fails at once.
"""

from asyncio import Task, current_task
from typing import Any, cast
from weakref import ReferenceType, ref

from sqlalchemy import Engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import CreateEnginePlugin
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection

# How long a request waits for its turn, in seconds. A turn takes milliseconds; the longest wait ever right is the one
# behind a migration or a vacuum.
TURN_TIMEOUT = 30.0


class NestedSession(Exception):
    """A request asked for the only connection while it held it."""

    def __init__(self) -> None:
        super().__init__(
            "This request needs two database sessions at once, which SQLite cannot give: "
            "concurrency limits on the tags of tasks need Prefect on PostgreSQL."
        )


class OneConnectionPool(AsyncAdaptedQueuePool):
    """A pool of one, that knows which task has it."""

    holder: ReferenceType[Task[Any]] | None = None

    def connect(self) -> PoolProxiedConnection:
        """Wait for the connection.

        Raises:
            NestedSession: the waiting would never end.
        """
        task = current_task()
        if task is not None and self.holder is not None and self.holder() is task:
            raise NestedSession
        connection = super().connect()
        self.holder = ref(task) if task is not None else None
        return connection


class OneConnection(CreateEnginePlugin):
    """Give an async engine exactly one connection, for as long as the engine lives."""

    def __init__(self, url: URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        kwargs.update(
            poolclass=OneConnectionPool, pool_size=1, max_overflow=0, pool_recycle=-1, pool_timeout=TURN_TIMEOUT
        )

    def update_url(self, url: URL) -> URL:
        """Leave the URL as it is: SQLAlchemy takes the plugin's own name out of it."""
        return url

    def engine_created(self, engine: Engine) -> None:
        """Note when the connection is given back, by whomever."""
        pool = cast("OneConnectionPool", engine.pool)

        @event.listens_for(engine, "checkin")
        def given_back(_connection: object, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
            pool.holder = None
