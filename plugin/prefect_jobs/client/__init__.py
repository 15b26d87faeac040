"""A client of the jobs API: ``from prefect_jobs import Client``.

It knows the contract and nothing of the server, so it works with every server that keeps the contract's sections 1 to
12; what section 16 adds is used where it is there.
"""

from prefect_jobs.client.errors import (
    ClientError,
    Forbidden,
    Invalid,
    InvalidField,
    JobNotFound,
    NotReachable,
    Refused,
    ServerBusy,
    ServerFailed,
    Unauthorized,
    WaitedTooLong,
)
from prefect_jobs.client.jobs_client import Client
from prefect_jobs.client.pace import Pace
from prefect_jobs.client.values import (
    Answer,
    Attempt,
    BulkAnswer,
    Change,
    Event,
    FeedReset,
    FeedStatus,
    Job,
    JobChanged,
    JobDeleted,
    JobDetail,
    JobHistory,
    JobList,
    JobStats,
    JobType,
    LogLine,
    LogState,
    SearchPage,
    Transition,
)

__all__ = [
    "Answer",
    "Attempt",
    "BulkAnswer",
    "Change",
    "Client",
    "ClientError",
    "Event",
    "FeedReset",
    "FeedStatus",
    "Forbidden",
    "Invalid",
    "InvalidField",
    "Job",
    "JobChanged",
    "JobDeleted",
    "JobDetail",
    "JobHistory",
    "JobList",
    "JobNotFound",
    "JobStats",
    "JobType",
    "LogLine",
    "LogState",
    "NotReachable",
    "Pace",
    "Refused",
    "SearchPage",
    "ServerBusy",
    "ServerFailed",
    "Transition",
    "Unauthorized",
    "WaitedTooLong",
]
