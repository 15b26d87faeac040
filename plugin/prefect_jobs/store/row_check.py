"""The rows of the index as they stand, for whoever holds them against Prefect, a few hundred in memory at a time."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text

from prefect_jobs.jobs import Job
from prefect_jobs.store.database import Database
from prefect_jobs.store.log_tables import job_log_lines
from prefect_jobs.store.rows import TEXTS, job_from_columns, row_of
from prefect_jobs.store.tables import clock, jobs

BATCH = 500
SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = "
    "c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'",
}
"""Bytes on disk: of the file, or of all tables of the schema with their indexes."""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row: the job, and all its columns by name."""

    job: Job
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class IndexSize:
    """How much the index holds."""

    jobs: int
    version: int
    log_lines: int
    bytes: int


class StoredRows:
    """Reads rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_ids(self, job_ids: Sequence[str]) -> dict[str, StoredRow]:
        """Those rows of these jobs that there are."""
        found: dict[str, StoredRow] = {}
        async with self._database.reading() as connection:
            for start in range(0, len(job_ids), BATCH):
                rows = await connection.execute(select(jobs).where(jobs.c.job_id.in_(job_ids[start : start + BATCH])))
                for row in rows.all():
                    values = dict(row._mapping)  # pyright: ignore[reportPrivateUsage]  # SQLAlchemy's documented name
                    texts = {name: values.pop(name) for name in TEXTS}
                    found[row.job_id] = StoredRow(job_from_columns(values), values | texts)
        return found

    async def places(self) -> AsyncIterator[Sequence[tuple[int, str]]]:
        """The slot and the id of every job, some hundred at a time."""
        last = -1
        while True:
            query = select(jobs.c.slot, jobs.c.job_id).where(jobs.c.slot > last).order_by(jobs.c.slot).limit(BATCH)
            async with self._database.reading() as connection:
                found = [(slot, job_id) for slot, job_id in await connection.execute(query)]
            if not found:
                return
            yield found
            last = found[-1][0]

    async def size(self) -> IndexSize:
        """How much there is."""
        async with self._database.reading() as connection:
            count = (await connection.execute(select(func.count()).select_from(jobs))).scalar_one()
            version = (await connection.execute(select(clock.c.version))).scalar_one()
            lines = (await connection.execute(select(func.count()).select_from(job_log_lines))).scalar_one()
            size = (await connection.execute(text(SIZE[connection.dialect.name]))).scalar_one()
        return IndexSize(count, version, lines, int(size or 0))


def columns_of(job: Job) -> dict[str, Any]:
    """What the columns of a job have to say; but for those that Prefect knows nothing of."""
    values = row_of(job)
    return {name: value for name, value in values.items() if name not in ("slot", "version", "longest_gap")}
