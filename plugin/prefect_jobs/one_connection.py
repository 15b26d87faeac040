"""Prefect's embedded SQLite server wedges when several clients write at once: a run is created in a transaction that
reads before it writes, so somebody else's commit in between fails it at once (503), and a connection that waits for
the write lock can hold up the event loop that the lock's holder waits for (a silence of up to a minute).

With one database connection no transaction of the server ever meets another: measured, 20 clients at once get no 503
and no answer later than two seconds. Prefect has no setting for it (its pool sizes are ignored for SQLite), but
SQLAlchemy lets a database URL name a plugin, so the embedded server's URL ends in
``?plugin=prefect_jobs_one_connection`` and Prefect itself stays as it is.
"""

from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import CreateEnginePlugin
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

# How long a request waits for its turn, in seconds. A turn takes milliseconds; the longest wait ever right is the one
# behind a migration or a vacuum.
TURN_TIMEOUT = 30.0


class OneConnection(CreateEnginePlugin):
    """Give an engine exactly one connection, for as long as the engine lives."""

    def __init__(self, url: URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        is_async = url.get_dialect().is_async
        kwargs.update(
            poolclass=AsyncAdaptedQueuePool if is_async else QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_recycle=-1,
            pool_timeout=TURN_TIMEOUT,
        )

    def update_url(self, url: URL) -> URL:
        """Leave the URL as it is: SQLAlchemy takes the plugin's own name out of it."""
        return url
