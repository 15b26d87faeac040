"""What is told of jobs on `/ws/system` (contract section 10): which frames a change of a job is worth.

Two families go out on the same socket: the older one (`job_progress`, …) tells progress when it crosses a multiple of
ten, the dotted one (`job.progress`, …) at most once a second. Both follow from what was told of a job before, so that
is kept, for the jobs that have not ended.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect_jobs.job_states import CANCELLED_STATES, Status
from prefect_jobs.jobs import Job

Frame = dict[str, Any]

PROGRESS_EVERY = timedelta(seconds=1)
JUMP = 10
"""Points of progress that are told at once, and the step of the older family."""
CHANNEL = "jobs"
ENDS_KEPT = 20_000
"""Ends of jobs that are remembered, so that each is told once."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What was last told of a job that has not ended."""

    attempt: int = 0
    progress: int = 0
    """The older family's: the highest of the attempt."""
    dotted: int = 0
    dotted_at: datetime | None = None
    waiting: Job | None = None
    """Progress that is not told yet, because the last was told less than a second ago."""


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


class JobNews:
    """Turns changes into frames. ``baseline`` are the jobs that had not ended when the changes began."""

    def __init__(self, baseline: Iterable[Job] = ()) -> None:
        self._told: dict[str, _Told] = {}
        self._ends: OrderedDict[str, tuple[int, Status]] = OrderedDict()
        for job in baseline:
            if not job.ended:
                began = job.attempt if job.status == "running" else 0
                self._told[job.job_id] = _Told(began, job.progress, job.progress)

    @property
    def known(self) -> list[str]:
        """The jobs that were not told to have ended."""
        return list(self._told)

    def forget(self, job_id: str) -> None:
        """A job was deleted."""
        self._told.pop(job_id, None)
        self._ends.pop(job_id, None)

    def changed(self, job: Job, *, now: datetime) -> list[Frame]:
        """The frames that tell of this change."""
        told = self._told.get(job.job_id)
        if job.ended and self._ends.get(job.job_id) == (job.attempt, job.status):
            return []  # more is known of an end that was told: its receipt came
        if told is None and job.ended:
            if job.completed_at is None or now - job.completed_at > timedelta(minutes=1):
                return []  # it ended long ago, and is only now read for the first time
            told = _Told()
        told = told or _Told()
        frames: list[Frame] = []
        if job.started_at is not None and job.status != "pending" and told.attempt < job.attempt:
            told = _Told(job.attempt)
            frames.append(self._dotted("job.started", job, now, _started(job)))
        if job.ended:
            self._told.pop(job.job_id, None)
            self._remember_end(job)
            return frames + self._ended(job, now)
        self._ends.pop(job.job_id, None)
        if job.status == "running":
            if job.progress // JUMP > told.progress // JUMP:
                frames.append({"type": "job_progress", "data": _progress(job)})
            told = replace(told, progress=max(told.progress, job.progress))
            if job.progress != told.dotted:
                soon = told.dotted_at is not None and now - told.dotted_at < PROGRESS_EVERY
                if soon and job.progress - told.dotted < JUMP:
                    told = replace(told, waiting=job)
                else:
                    told = replace(told, dotted=job.progress, dotted_at=now, waiting=None)
                    frames.append(self._dotted("job.progress", job, now, _progress(job) | {"message": job.message}))
        self._told[job.job_id] = told
        return frames

    def _remember_end(self, job: Job) -> None:
        self._ends[job.job_id] = job.attempt, job.status
        self._ends.move_to_end(job.job_id)
        if len(self._ends) > ENDS_KEPT:
            self._ends.popitem(last=False)

    def due(self, *, now: datetime) -> list[Frame]:
        """The frames of progress that waited for its second to pass."""
        frames: list[Frame] = []
        for job_id, told in self._told.items():
            job = told.waiting
            if job is not None and (told.dotted_at is None or now - told.dotted_at >= PROGRESS_EVERY):
                self._told[job_id] = replace(told, dotted=job.progress, dotted_at=now, waiting=None)
                frames.append(self._dotted("job.progress", job, now, _progress(job) | {"message": job.message}))
        return frames

    def _ended(self, job: Job, now: datetime) -> list[Frame]:
        names = {"job_id": job.job_id, "job_type": job.job_type}
        ended_at = _time(job.completed_at)
        if job.status == "completed":
            duration = None
            if job.started_at is not None and job.completed_at is not None:
                duration = (job.completed_at - job.started_at).total_seconds()
            payload = names | {"completed_at": ended_at, "result": job.result, "duration_seconds": duration}
            return [
                {"type": "job_completed", "data": names | {"result": job.result}},
                self._dotted("job.completed", job, now, payload),
            ]
        failure: Frame = {"type": "job_failed", "data": names | {"error": job.error}}
        if job.state in CANCELLED_STATES:
            return [failure, self._dotted("job.cancelled", job, now, {"job_id": job.job_id, "cancelled_at": ended_at})]
        payload = names | {
            "failed_at": ended_at,
            "error": job.error,
            "error_code": None if job.state == "failed" else job.state.upper(),
            # Only a deployment can run a job once more.
            "retryable": job.deployment_id is not None,
        }
        return [failure, self._dotted("job.failed", job, now, payload)]

    @staticmethod
    def _dotted(kind: str, job: Job, now: datetime, payload: dict[str, Any]) -> Frame:
        """The newer envelope. All frames about one job carry its id as ``correlation_id``."""
        return {
            "type": kind,
            "payload": payload,
            "timestamp": _time(now),
            "correlation_id": job.job_id,
            "channel": CHANNEL,
        }


def _progress(job: Job) -> dict[str, Any]:
    return {"job_id": job.job_id, "job_type": job.job_type, "progress": job.progress, "status": job.status}


def _started(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "job_type": job.job_type,
        "started_at": _time(job.started_at),
        "estimated_duration": None,
        "metadata": None,
    }
