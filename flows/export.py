"""Export events to CSV, JSON, or ZIP format: a job that streams what matches from the event store into one file."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from prefect.runtime.flow_run import get_id, get_scheduled_start_time

from prefect_jobs import job, progress
from prefect_jobs.events import open_event_store
from prefect_jobs.events.export_file import open_writer
from prefect_jobs.events.selection import EventSelection, day_before
from prefect_jobs.exports import EXPORTS_PATH, export_stem, new_export_file, require_format
from prefect_jobs.settings import Settings

STEP = 100  # events between two progress messages


@job("export", title="Export", description="Export events to CSV, JSON, or ZIP format")
def export(
    format: str = "csv",
    camera_id: str | None = None,
    risk_level: str | None = None,
    start_date: datetime | None = None,
    end_date: datetime | None = None,
    reviewed: bool | None = None,
    period: Literal["yesterday"] | None = None,
) -> dict[str, Any]:
    """Export events, newest first, into a file that the jobs API serves for download.

    Args:
        format: csv, json or zip.
        camera_id: Only events of this camera.
        risk_level: Only events of this risk level: low, medium, high or critical.
        start_date: Only events that started at this time or later; UTC when it has no offset.
        end_date: Only events that started at this time or earlier; UTC when it has no offset.
        reviewed: Only events that were reviewed (true), or were not (false).
        period: Instead of dates, for schedules: `yesterday` is the UTC day before the one the run was scheduled for.
    """
    require_format(format)
    if period is not None:
        start_date, end_date = _dates_of_period(start_date, end_date)
    wanted = EventSelection(camera_id, risk_level, start_date, end_date, reviewed)
    settings = Settings()
    progress(percent=0, message=f"Starting {format} export...")
    stem = export_stem(_run_id(), datetime.now(UTC))
    name = f"{stem}.{format}"
    with (
        open_event_store(settings.events_database) as store,
        store.snapshot() as events,
        new_export_file(settings.exports_path, name) as file,
    ):
        count = wanted.count(events)
        if count:
            progress(percent=10, message=f"Found {count} events to export")
        else:
            progress(percent=50, message="No events to export")
        with open_writer(format, file, stem) as write:
            for done, rows in enumerate(wanted.rows(events, STEP), 1):
                write(rows)
                if len(rows) == STEP:
                    _report(done * STEP, count)
            if count:
                progress(percent=80, message=f"Writing {format.upper()} file...")
        if count:
            progress(percent=95, message="Finalizing export...")
    size = (settings.exports_path / name).stat().st_size
    return {"file_path": f"{EXPORTS_PATH}/{name}", "file_size": size, "event_count": count, "format": format}


def _report(done: int, count: int) -> None:
    progress(percent=10 + 70 * done // count, message=f"Processing event {done}/{count}")


def _dates_of_period(start_date: datetime | None, end_date: datetime | None) -> tuple[datetime, datetime]:
    if start_date is not None or end_date is not None:
        raise ValueError("period cannot be combined with start_date or end_date")
    return day_before(get_scheduled_start_time())


def _run_id() -> UUID:
    run_id = get_id()
    return UUID(run_id) if run_id else uuid4()


if __name__ == "__main__":
    export()
