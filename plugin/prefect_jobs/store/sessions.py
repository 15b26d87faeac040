"""Who signed in with a key, until he signs out or the time is up.

A browser holds a random token in a cookie; here is only its hash, so that a copy of the database signs nobody in. What
a session may do is what its key may do today: the key is looked up again each time.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, String, Table, delete, insert, select

from prefect_jobs.store.database import Database
from prefect_jobs.store.tables import Moment, metadata

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("key_id", String(32), nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class StoredSession:
    """By which key somebody signed in, and until when that counts."""

    key_id: str
    expires_at: datetime


class SessionStore:
    """The sessions of all replicas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token_hash: str, session: StoredSession, *, now: datetime) -> None:
        """Keep a session; those whose time was up before ``now`` go."""
        async with self._database.writing() as connection:
            await connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
            await connection.execute(
                insert(sessions).values(token_hash=token_hash, key_id=session.key_id, expires_at=session.expires_at)
            )

    async def get(self, token_hash: str) -> StoredSession | None:
        """The session of this token, whether or not its time is up."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(sessions).where(sessions.c.token_hash == token_hash))).first()
        return None if row is None else StoredSession(row.key_id, row.expires_at)

    async def remove(self, token_hash: str) -> None:
        """Forget a session."""
        async with self._database.writing() as connection:
            await connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))
