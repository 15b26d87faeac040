"""Clean up old data and temporary files: a job that keeps the event store and the folders of jobs from growing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Annotated, Any

from pydantic import Field

from prefect_jobs import checkpoint, job, progress
from prefect_jobs.events import EventStore, open_event_store
from prefect_jobs.events.retention import (
    Removed,
    count_old_detections,
    count_old_events,
    remove_old_detections,
    remove_old_events,
)
from prefect_jobs.old_files import OldFile, remove_leftovers_in, remove_old_exports, remove_old_uploads
from prefect_jobs.settings import Settings

Days = Annotated[int, Field(ge=1, le=36_500)]


@dataclass
class Cleaned:
    """What a cleanup removed so far."""

    events_deleted: int = 0
    detections_deleted: int = 0
    export_files_deleted: int = 0
    temporary_files_deleted: int = 0
    space_reclaimed: int = 0
    """Bytes."""


@job("cleanup", title="Cleanup", description="Clean up old data and temporary files", timeout=600)
def cleanup(
    event_days: Days | None = 365,
    detection_days: Days | None = 90,
    export_days: Days | None = 30,
    temporary_days: Days = 7,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Remove what is older than it has to be kept, in batches small enough that nobody waits for them.

    Args:
        event_days: Days to keep events, from their start on; none given: for ever.
        detection_days: Days to keep the detections of events; the events keep their number.
        export_days: Days to keep export files that have no days of their own. Files under legal hold stay.
        temporary_days: Days to keep uploads that were not imported.
        dry_run: Only say what would be removed. The bytes are those of files then.
    """
    settings, now, done = Settings(), datetime.now(UTC), Cleaned()
    progress(percent=5, message="Scanning for files to delete")
    old_detections = now - timedelta(days=detection_days) if detection_days else None
    old_events = now - timedelta(days=event_days) if event_days else None
    with open_event_store(settings.events_database) as store:
        (_foresee if dry_run else _clean_store)(store, old_detections, old_events, done)
    progress(percent=70, message="Deleting old export files")
    exports = remove_old_exports(settings.exports_path, now=now, days=export_days, dry_run=dry_run)
    done.export_files_deleted = _count(exports, done)
    progress(percent=85, message="Deleting temporary files")
    folders = [settings.exports_path, settings.uploads_path, settings.backups_path]
    uploads = remove_old_uploads(settings.uploads_path, now=now, days=temporary_days, dry_run=dry_run)
    leftovers = remove_leftovers_in(folders, settings.scratch_path, dry_run=dry_run)
    done.temporary_files_deleted = _count(chain(uploads, leftovers), done)
    return {**vars(done), "dry_run": dry_run}


def _foresee(store: EventStore, detections: datetime | None, events: datetime | None, done: Cleaned) -> None:
    # Events take their detections along.
    either = max((time for time in (detections, events) if time is not None), default=None)
    with store.snapshot() as connection:
        done.events_deleted = count_old_events(connection, events) if events else 0
        done.detections_deleted = count_old_detections(connection, either) if either else 0


def _clean_store(store: EventStore, detections: datetime | None, events: datetime | None, done: Cleaned) -> None:
    with store.snapshot() as connection:
        total_detections = count_old_detections(connection, detections) if detections else 0
        total_events = count_old_events(connection, events) if events else 0
    progress(percent=15, message="Deleting old detections")
    for removed in remove_old_detections(store, detections) if detections else ():
        _add(removed, done)
        progress(
            percent=15 + 15 * min(1, done.detections_deleted / max(1, total_detections)),
            message="Deleting old detections",
        )
        checkpoint()
    progress(percent=30, message="Deleting old events")
    for removed in remove_old_events(store, events) if events else ():
        _add(removed, done)
        progress(percent=30 + 40 * min(1, done.events_deleted / max(1, total_events)), message="Deleting old events")
        checkpoint()


def _add(removed: Removed, done: Cleaned) -> None:
    done.events_deleted += removed.events
    done.detections_deleted += removed.detections
    done.space_reclaimed += removed.bytes


def _count(files: Iterable[OldFile], done: Cleaned) -> int:
    """Let the files go one by one; how many they were."""
    count = 0
    for file in files:
        count += 1
        done.space_reclaimed += file.bytes
        checkpoint()
    return count


if __name__ == "__main__":
    cleanup()
