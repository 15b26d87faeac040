"""The adapter's own database. Only this package speaks SQL for it."""

from prefect_jobs.store.database import QueryTooSlow, StoreError, StoreUnavailable, open_database
from prefect_jobs.store.index import Change, FoundJobs, JobIndex, Stats
from prefect_jobs.store.logs import LogStore, StoredLine
from prefect_jobs.store.search import Counts, Page
from prefect_jobs.store.sessions import SessionStore

__all__ = [
    "Change",
    "Counts",
    "FoundJobs",
    "JobIndex",
    "LogStore",
    "Page",
    "QueryTooSlow",
    "SessionStore",
    "Stats",
    "StoreError",
    "StoreUnavailable",
    "StoredLine",
    "open_database",
]
