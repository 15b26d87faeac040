"""How jobs look on a terminal: tables that fit into 80 columns, and say in words what they say in colours."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from prefect_jobs.cli.terminal import plain

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from prefect_jobs.client import Job, JobDetail, JobHistory, JobStats

COLOURS = {"pending": "blue", "running": "cyan", "completed": "green", "failed": "red"}
STOPS = {True: "proven: nothing of it is left", False: "not proven: something of it may still run"}
STATE_COLOURS = {"cancelled": "yellow", "aborted": "yellow", "stopping": "yellow", "aborting": "yellow"}
LEVEL_COLOURS = {"ERROR": "red", "WARNING": "yellow", "DEBUG": "dim"}
BAR = 8
SHORT = 8
SHORT_BY_TIME = 18
"""Characters of an id that begins with its time, in milliseconds, until it says which one of that moment it is."""
NONE = "-"
_UUID_LENGTH, _VERSION_AT = 36, 14


def short_ids(job_ids: Sequence[str]) -> dict[str, str]:
    """For each id a beginning that no other of them has; ids that are no UUIDs stay whole.

    Those that begin with their time (version 7: what a schedule prepares) share it with others that are not shown.
    """
    uuids = {job_id for job_id in job_ids if len(job_id) == _UUID_LENGTH}
    least = SHORT_BY_TIME if any(uuid[_VERSION_AT] == "7" for uuid in uuids) else SHORT
    length = next(
        (cut for cut in range(least, _UUID_LENGTH) if len({uuid[:cut] for uuid in uuids}) == len(uuids)), _UUID_LENGTH
    )
    return {job_id: job_id[: length if job_id in uuids else None].rstrip("-") for job_id in job_ids}


def lasting(length: timedelta | None) -> str:
    """`4s`, `3m20s`, `5h02m`, `12d`; a dash for none."""
    if length is None:
        return NONE
    seconds = int(length.total_seconds())
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    if seconds < 86_400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    return f"{seconds // 86_400}d"


def bar(percent: int) -> str:
    """Progress, readable without colours."""
    full = round(max(0, min(100, percent)) * BAR / 100)
    return f"{'█' * full}{'░' * (BAR - full)} {percent:>3}%"


def state_text(status: str, state: str) -> "Text":
    """The finer word for where a job is, in the colour of the coarser one."""
    from rich.text import Text

    return Text(plain(state), style=STATE_COLOURS.get(state) or COLOURS.get(status, ""))


def jobs_table(jobs: "Sequence[Job]", *, now: datetime) -> "Table":
    """One line a job."""
    from rich.text import Text

    table = _table("ID", "TYPE", "STATE", "PROGRESS", "AGE", "TOOK", "MESSAGE")
    for column in table.columns[:-1]:
        column.no_wrap = True
    table.columns[1].max_width = 16
    table.columns[2].max_width = 10
    shown = short_ids([job.job_id for job in jobs])
    # An id that is cut names no job: everything else gives way to it.
    table.columns[0].min_width = max(len(plain(text)) for text in shown.values()) if shown else None
    for job in jobs:
        table.add_row(
            Text(plain(shown[job.job_id])),
            Text(plain(job.job_type)),
            state_text(job.status, job.state),
            bar(job.progress),
            lasting(job.age(now=now)),
            lasting(job.duration(now=now)),
            # Only a column that may wrap gives way to the others; this text is cut instead.
            Text(plain(job.message or job.name or ""), no_wrap=True, overflow="ellipsis"),
        )
    return table


def detail_table(detail: "JobDetail") -> "Table":
    """A job's facts, one a line; those that are unknown are left out."""
    from rich.text import Text

    table = _table("", "", header=False)
    timing, progress = detail.timing, detail.progress
    counts = None if progress.items_total is None else f"{progress.items_processed} of {progress.items_total}"
    facts: Mapping[str, Any] = {
        "id": detail.id,
        "name": detail.name,
        "type": detail.job_type,
        "state": state_text(detail.status, detail.state),
        "called": detail.state_name,
        "progress": bar(progress.percent) + (f"  {counts}" if counts else ""),
        "step": progress.current_step,
        "created": when(timing.created_at),
        "started": when(timing.started_at),
        "ended": when(timing.completed_at),
        "took": _seconds(timing.duration_seconds),
        "last sign": when(timing.last_sign_at),
        "moves": "no: it tells neither progress nor a log line" if timing.stalled else None,
        "remaining": _seconds(timing.estimated_remaining_seconds),
        "attempt": f"{detail.retry_info.attempt_number} of {detail.retry_info.max_attempts}",
        "worker": detail.metadata.worker_id,
        "parameters": _values(detail.metadata.input_params),
        "result": _values(detail.result),
        "error": detail.error,
        "stop": None if detail.stop_proven is None else STOPS[detail.stop_proven],
        "Prefect": detail.prefect_url,
    }
    for name, value in facts.items():
        if value is not None:
            table.add_row(Text(name, style="dim"), Text(plain(value)) if isinstance(value, str) else value)
    return table


def history_tables(history: "JobHistory") -> "list[Table]":
    """The changes of a job's status, what else happened to it, and its attempts."""
    from rich.text import Text

    changes = _table("AT", "FROM", "TO", "BY", "DETAILS")
    for change in history.transitions:
        details = change.details or {}
        said = details.get("message") or details.get("error") or ""
        changes.add_row(
            when(change.at),
            Text(plain(change.from_status or NONE)),
            state_text(change.to_status, change.to_status),
            Text(plain(str(details.get("by") or change.triggered_by))),
            Text(plain(str(said))),
        )
    events = _table("AT", "EVENT", "BY", "DETAILS")
    for event in history.events:
        events.add_row(
            when(event.at),
            Text(plain(event.kind.replace("_", " "))),
            Text(plain(event.by or NONE)),
            Text(plain(event.message or "")),
        )
    attempts = _table("ATTEMPT", "STARTED", "TOOK", "STATUS", "WORKER", "ERROR")
    for attempt in history.attempts:
        attempts.add_row(
            str(attempt.attempt_number),
            when(attempt.started_at),
            _seconds(attempt.duration_seconds) or NONE,
            Text(plain(attempt.status)),
            Text(plain(attempt.worker_id or NONE)),
            Text(plain(attempt.error or "")),
        )
    tables = ((changes, history.transitions), (events, history.events), (attempts, history.attempts))
    return [table for table, rows in tables if rows]


def stats_tables(stats: "JobStats") -> "list[Table]":
    """How many jobs there are, by status and by type, and how long they take."""
    from rich.text import Text

    by_status = _table("STATUS", "JOBS")
    for item in stats.by_status:
        by_status.add_row(state_text(item.status, item.status), f"{item.count:,}")
    by_status.add_row("all", f"{stats.total_jobs:,}")
    by_type = _table("TYPE", "JOBS")
    for entry in stats.by_type:
        by_type.add_row(Text(plain(entry.job_type)), f"{entry.count:,}")
    times = _table("", "", header=False)
    times.add_row("average duration", _seconds(stats.average_duration_seconds) or NONE)
    times.add_row("oldest pending job", _seconds(stats.oldest_pending_job_age_seconds) or NONE)
    for table in (by_status, by_type):
        table.columns[1].justify = "right"
    return [by_status, by_type, times] if stats.by_type else [by_status]


def when(moment: datetime | None) -> str | None:
    """A time in this machine's zone, to the second."""
    return None if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else lasting(timedelta(seconds=seconds))


def _values(value: Any) -> str | None:
    """A result or parameters as JSON, None where there are none."""
    import json

    if value is None or value == {}:
        return None
    return json.dumps(value, ensure_ascii=False, default=str)


def _table(*names: str, header: bool = True) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=header, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name, overflow="ellipsis" if header else "fold")
    return table
