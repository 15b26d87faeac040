"""What the client returns: frozen values with aware times.

A server may say more than is known here (ignored, but kept in ``body``) and less: of the contract's sections 1 to 12
every field is expected, and everything that section 16 adds has a default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from prefect_jobs.client.errors import ServerFailed
from prefect_jobs.iso_time import read_time

T = TypeVar("T")

_BODY = "body"


def _moment(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("it is no time as text")
    return read_time(value)


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A time as the server wrote it, with ``Z`` or an offset; without either it is UTC."""

_ADAPTERS: dict[type[Any], tuple[TypeAdapter[Any], bool]] = {}


def read(kind: type[T], body: object) -> T:
    """A value of this kind from a body of JSON.

    Raises:
        ServerFailed: the body is none of the contract's.
    """
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind), _BODY in {item.name for item in fields(cast("Any", kind))}
    adapter, keeps_body = _ADAPTERS[kind]
    try:
        if keeps_body and isinstance(body, dict):
            known = cast("dict[str, Any]", body)
            return adapter.validate_python({**known, _BODY: known})
        return adapter.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole of it"
        raise ServerFailed(f"The server's answer is not the contract's: {where}: {first['msg']}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job. ``progress`` is in percent; a job in the change feed has no ``result``."""

    job_id: str
    job_type: str
    status: str
    progress: int
    created_at: Moment
    message: str | None = None
    started_at: Moment | None = None
    completed_at: Moment | None = None
    result: Any = field(default=None, hash=False)
    error: str | None = None
    state: str = ""
    state_name: str | None = None
    """What the author of the flow called its final state, where it is none of the usual names."""
    name: str | None = None
    attempt: int | None = None
    version: int | None = None
    """Grows with every change of any job; None where the server has no change feed."""
    stoppable: str | None = None
    prefect_url: str | None = None
    body: dict[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)
    """What the server said, word for word."""

    def __post_init__(self) -> None:
        if not self.state:
            object.__setattr__(self, "state", self.status)

    @property
    def ended(self) -> bool:
        """Whether the job has reached a final status."""
        return self.status in ("completed", "failed")

    @property
    def succeeded(self) -> bool:
        """Whether the job has completed."""
        return self.status == "completed"

    def age(self, *, now: datetime) -> timedelta:
        """How long ago the job was created."""
        return max(timedelta(), now - self.created_at)

    def duration(self, *, now: datetime) -> timedelta | None:
        """How long the job ran, or has been running until now; None before its start."""
        if self.started_at is None:
            return None
        return max(timedelta(), (self.completed_at or now) - self.started_at)


def _with_body(job: Any) -> object:
    return {**cast("dict[str, Any]", job), _BODY: cast("Any", job)} if isinstance(job, dict) else job


JobOfPage = Annotated[Job, BeforeValidator(_with_body)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where a page stands among all matches. ``total`` is a lower bound when ``total_is_exact`` is false."""

    total: int
    limit: int
    offset: int | None = None
    has_more: bool
    total_is_exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """One page of the list."""

    items: tuple[JobOfPage, ...]
    pagination: Page
    body: dict[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """How many of all matches have each status, type and state."""

    by_status: dict[str, int]
    by_type: dict[str, int]
    by_state: dict[str, int] = field(default_factory=dict[str, int])
    exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """One page of a search, with the facets of all its matches."""

    data: tuple[JobOfPage, ...]
    meta: Page
    aggregations: Facets
    body: dict[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is; counts are None where its message has none."""

    percent: int
    current_step: str | None = None
    items_processed: int | None = None
    items_total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """What is left, in seconds, judged by ``sample`` earlier jobs of the type."""

    p50: float | None = None
    p90: float | None = None
    sample: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a job ran; durations are in seconds."""

    created_at: Moment
    prepared_at: Moment | None = None
    """When Prefect made the run of a schedule, which counts as created when it was due."""
    started_at: Moment | None = None
    completed_at: Moment | None = None
    duration_seconds: float | None = None
    estimated_remaining_seconds: float | None = None
    eta: Eta | None = None
    slower_than_usual: bool | None = None
    last_sign_at: Moment | None = None
    stalled: bool | None = None
    """Whether it runs and has told nothing for much longer than is usual; None where the server cannot say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryInfo:
    """Which attempt this is, and why the earlier ones failed."""

    attempt_number: int
    max_attempts: int
    next_retry_at: Moment | None = None
    previous_errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a job was asked to do, and who does it."""

    input_params: dict[str, Any] | None = None
    worker_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetail:
    """One job, in parts."""

    id: str
    job_type: str
    status: str
    progress: Progress
    timing: Timing
    retry_info: RetryInfo
    metadata: Metadata
    queue_name: str | None = None
    priority: int = 0
    result: Any = field(default=None, hash=False)
    error: str | None = None
    state: str = ""
    state_name: str | None = None
    """What the author of the flow called its final state, where it is none of the usual names."""
    name: str | None = None
    error_traceback: str | None = None
    stoppable: str | None = None
    stop_proven: bool | None = None
    """Whether a receipt proves that nothing of a stopped job is left; None where none was stopped."""
    prefect_url: str | None = None
    body: dict[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.state:
            object.__setattr__(self, "state", self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of status; ``from_status`` is None for the creation."""

    from_status: Annotated[str | None, Field(alias="from")] = None
    to_status: Annotated[str, Field(alias="to")]
    at: Moment
    triggered_by: str
    details: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job and changed no status; ``by`` is the name of the key it was done with."""

    at: Moment
    kind: str
    message: str | None = None
    by: str | None = None
    details: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a job; ``duration_seconds`` is None while it goes on."""

    attempt_number: int
    started_at: Moment
    ended_at: Moment | None = None
    status: str
    error: str | None = None
    worker_id: str | None = None
    duration_seconds: float | None = None
    result: Any = field(default=None, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHistory:
    """Every change of a job's status, oldest first, its attempts, and what else happened to it."""

    job_id: str
    job_type: str
    status: str
    created_at: Moment
    started_at: Moment | None = None
    completed_at: Moment | None = None
    transitions: tuple[Transition, ...]
    attempts: tuple[Attempt, ...]
    events: tuple[Event, ...] = ()
    body: dict[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A Prefect deployment that can run a job, with what it gives a job that asks for nothing else."""

    id: str
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobType:
    """One kind of job. ``can_start`` is None where the server does not say."""

    name: str
    description: str
    title: str | None = None
    parameter_schema: Mapping[str, Any] | None = None
    deployments: tuple[Deployment, ...] = ()
    can_start: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCount:
    """How many jobs have this status."""

    status: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeCount:
    """How many jobs are of this type."""

    job_type: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStats:
    """Counts and times over all jobs; times are in seconds."""

    total_jobs: int
    by_status: tuple[StatusCount, ...]
    by_type: tuple[TypeCount, ...]
    average_duration_seconds: float | None = None
    oldest_pending_job_age_seconds: float | None = None
    body: dict[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said to a stop, an abort or a deletion."""

    job_id: str
    status: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemError:
    """Why one job of many was not cancelled."""

    job_id: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAnswer:
    """How many jobs were cancelled and how many not, and why not."""

    cancelled: int
    failed: int
    errors: tuple[ItemError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One log line. ``seq`` counts from 1 within the job and never changes; None where the server does not count."""

    timestamp: Moment
    level: str
    message: str
    context: dict[str, Any] | None = field(default=None, hash=False)
    attempt_number: int = 1
    seq: int | None = None
    id: str | None = None
    body: dict[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """What a job's log at the server is worth: whether it had every line, as of when. None where that is not said."""

    total_lines: int | None = None
    complete: bool | None = None
    as_of: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChanged:
    """A job is new, or has changed. The job is without its result."""

    job: Job
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDeleted:
    """A job is gone."""

    job_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """How far the server is behind Prefect, in seconds; whether Prefect answers it, and it has read all jobs once."""

    prefect: Literal["up", "down"]
    behind_seconds: float
    version: int | None = None
    complete: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReset:
    """What was read before may be wrong: read everything again. The feed goes on from ``version``."""

    version: int


Change = JobChanged | JobDeleted | FeedStatus | FeedReset
