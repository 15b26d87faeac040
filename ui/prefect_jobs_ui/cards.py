"""What the page draws of a job. The wire says more than a card shows; this is the one place between the two."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from prefect_jobs_ui.texts import TEXTS, text
from prefect_jobs_ui.wire import JobResponse

CANCELLED_STATES = frozenset({"cancelled", "aborted"})


@dataclass(frozen=True, slots=True)
class JobCard:
    """A job as the list shows it. Cards are shared by all tabs of the process and never change."""

    job_id: str
    job_type: str
    status: str
    state: str
    progress: int
    message: str | None
    created_at: str
    version: int

    def to_json(self) -> dict[str, Any]:
        """The card as the browser gets it."""
        return asdict(self)

    @property
    def look(self) -> str:
        """What colour and word the card has: the status, or `cancelled` where the wire says failed for it."""
        return "cancelled" if self.state in CANCELLED_STATES else self.status

    @property
    def type_label(self) -> str:
        """The job type as people write it."""
        return type_label(self.job_type)

    @property
    def sort_key(self) -> tuple[datetime, str]:
        """Newest first when sorted in reverse; ties are broken by id."""
        return (moment(self.created_at), self.job_id)


def card_of(job: JobResponse) -> JobCard:
    """The card of a job on the wire."""
    status = str(job.get("status", "pending"))
    return JobCard(
        job_id=str(job.get("job_id", "")),
        job_type=str(job.get("job_type", "")),
        status=status,
        state=str(job.get("state") or status),
        progress=int(job.get("progress") or 0),
        message=job.get("message"),
        created_at=str(job.get("created_at", "")),
        version=int(job.get("version") or 0),
    )


def type_label(job_type: str) -> str:
    """`batch_audit` as `Batch Audit`; a foreign flow keeps the name its author gave it."""
    name = f"type.{job_type}"
    return text(name) if name in TEXTS else job_type


def moment(text: str) -> datetime:
    """A time of the wire, always aware; the beginning of time when it cannot be read."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return value if value.tzinfo else value.replace(tzinfo=UTC)
