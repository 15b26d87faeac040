"""The adapter's own database. Only this package speaks SQL for it."""

from prefect_jobs.store.bulk import BulkStore
from prefect_jobs.store.database import open_database
from prefect_jobs.store.errors import QueryTooSlow, StoreError, StoreFull, StoreUnavailable
from prefect_jobs.store.feed_state import BEAT_EVERY, FeedLease, FeedState
from prefect_jobs.store.history import HistoryStore
from prefect_jobs.store.index import Change, FoundJobs, JobIndex, JobSummary, Stats
from prefect_jobs.store.log_gaps import LineGap
from prefect_jobs.store.log_pages import LineFilter, StoredLine
from prefect_jobs.store.logs import LogBook, LogGap, LogStore
from prefect_jobs.store.search import Counts, Page
from prefect_jobs.store.secret_schemas import SecretSchemaStore
from prefect_jobs.store.sessions import SessionStore

__all__ = [
    "BEAT_EVERY",
    "BulkStore",
    "Change",
    "Counts",
    "FeedLease",
    "FeedState",
    "FoundJobs",
    "HistoryStore",
    "JobIndex",
    "JobSummary",
    "LineFilter",
    "LineGap",
    "LogBook",
    "LogGap",
    "LogStore",
    "Page",
    "QueryTooSlow",
    "SecretSchemaStore",
    "SessionStore",
    "Stats",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "StoredLine",
    "open_database",
]
