"""The adapter's own database. Only this package speaks SQL for it."""

from prefect_jobs.store.database import open_database
from prefect_jobs.store.index import Change, JobIndex, Stats
from prefect_jobs.store.logs import LogStore, StoredLine

__all__ = ["Change", "JobIndex", "LogStore", "Stats", "StoredLine", "open_database"]
