"""Export events to CSV, JSON, or ZIP format: a job that streams what matches from the event store into one file."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, BinaryIO, Literal

from prefect.runtime.flow_run import get_scheduled_start_time
from pydantic import Field

from prefect_jobs import checkpoint, job, progress
from prefect_jobs.backups import the_only_backup
from prefect_jobs.events import open_event_store
from prefect_jobs.events.backup.making import write_backup
from prefect_jobs.events.export_file import open_writer, require_columns
from prefect_jobs.events.selection import EventSelection, day_before
from prefect_jobs.events.times import EventTime
from prefect_jobs.export_terms import ExportTerms, forget_terms, write_terms
from prefect_jobs.exports import EXPORTS_PATH, EXTENSIONS, export_stem, require_format
from prefect_jobs.finished_files import new_finished_file
from prefect_jobs.kit.downloads import require_served
from prefect_jobs.kit.this_run import this_run_id
from prefect_jobs.settings import Settings

STEP = 100  # events between two progress messages


@job("export", title="Export", description="Export events to CSV, JSON, or ZIP format", timeout=1800)
def export(
    format: str = "csv",
    camera_id: str | None = None,
    risk_level: str | None = None,
    start_date: EventTime | None = None,
    end_date: EventTime | None = None,
    reviewed: bool | None = None,
    period: Literal["yesterday"] | None = None,
    export_type: Literal["events", "alerts", "full_backup"] = "events",
    columns: list[str] | None = None,
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None,
    legal_hold: bool = False,
    compliance_metadata: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Export events, newest first, into a file that the jobs API serves for download.

    Args:
        format: csv, json, zip or excel.
        camera_id: Only events of this camera.
        risk_level: Only events of this risk level: low, medium, high or critical.
        start_date: Only events that started at this time or later; UTC when it has no offset.
        end_date: Only events that started at this time or earlier; UTC when it has no offset.
        reviewed: Only events that were reviewed (true), or were not (false).
        period: Instead of dates, for schedules: `yesterday` is the UTC day before the one the run was scheduled for.
        export_type: `events`; `alerts`: only events of a high or critical risk; or `full_backup`: the whole event store
            as the archive of a backup, whatever the format. It takes no filters and no columns.
        columns: Only these columns, in this order; all of them when left out.
        retention_days: Days after which a cleanup may remove the file, instead of the cleanup's own.
        legal_hold: Whether no cleanup may remove the file.
        compliance_metadata: Whatever is to be kept with the file.
    """
    require_format(format)
    if export_type == "full_backup":
        if any(given is not None for given in (camera_id, risk_level, start_date, end_date, reviewed, period, columns)):
            raise ValueError("A full backup takes no filters and no columns")
        format = "zip"
    chosen = require_columns(columns)
    if period is not None:
        start_date, end_date = _dates_of_period(start_date, end_date)
    wanted = EventSelection(camera_id, risk_level, start_date, end_date, reviewed, alerts=export_type == "alerts")
    settings = Settings()
    require_served(settings.exports_path, "PREFECT_JOBS_EXPORTS_DIR")
    run_id = this_run_id()
    terms = ExportTerms(str(run_id), retention_days, legal_hold, compliance_metadata or {})
    progress(percent=0, message=f"Starting {format} export...")
    stem = export_stem(run_id, datetime.now(UTC))
    name = f"{stem}.{EXTENSIONS[format]}"
    if export_type == "full_backup":
        with (
            the_only_backup(settings.backups_path),
            open_event_store(settings.events_database) as store,
            _new_file_under(terms, settings, name) as file,
        ):
            manifest = write_backup(
                store,
                file,
                backup_id=str(run_id),
                at=datetime.now(UTC),
                scratch=settings.scratch_path,
                tell=lambda percent, message: progress(percent=percent, message=message),
                step_taken=checkpoint,
            )
        return _result(settings, name, manifest.count("events"), format)
    with (
        open_event_store(settings.events_database) as store,
        store.snapshot() as events,
        _new_file_under(terms, settings, name) as file,
    ):
        count = wanted.count(events)
        if count:
            progress(percent=10, message=f"Found {count} events to export")
        else:
            progress(percent=50, message="No events to export")
        with open_writer(format, file, stem, chosen, scratch=settings.scratch_path) as write:
            for done, rows in enumerate(wanted.rows(events, STEP), 1):
                checkpoint()
                write(rows)
                if len(rows) == STEP:
                    _report(done * STEP, count)
            if count:
                progress(percent=80, message=f"Writing {format.upper()} file...")
        if count:
            progress(percent=95, message="Finalizing export...")
    return _result(settings, name, count, format)


def _result(settings: Settings, name: str, count: int, format: str) -> dict[str, Any]:
    size = (settings.exports_path / name).stat().st_size
    return {"file_path": f"{EXPORTS_PATH}/{name}", "file_size": size, "event_count": count, "format": format}


@contextmanager
def _new_file_under(terms: ExportTerms, settings: Settings, name: str) -> Generator[BinaryIO]:
    """The export file; its terms are there before it is, and only with it."""
    written = False
    try:
        with new_finished_file(settings.exports_path, name) as file:
            yield file
            if terms != ExportTerms(terms.job_id):
                written = True
                write_terms(settings.exports_path, name, terms)
    except BaseException:
        if written:
            forget_terms(settings.exports_path, name)
        raise


def _report(done: int, count: int) -> None:
    progress(percent=10 + 70 * done // count, message=f"Processing event {done}/{count}")


def _dates_of_period(start_date: datetime | None, end_date: datetime | None) -> tuple[datetime, datetime]:
    if start_date is not None or end_date is not None:
        raise ValueError("period cannot be combined with start_date or end_date")
    return day_before(get_scheduled_start_time())


if __name__ == "__main__":
    export()
