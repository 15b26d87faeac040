"""Create a backup of system data: a job that writes the whole event store, as it is at one moment, into one archive."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from prefect_jobs import checkpoint, job, progress
from prefect_jobs.backups import backup_name, remove_all_but, the_only_backup
from prefect_jobs.events import open_event_store
from prefect_jobs.events.backup.making import checksum_of, write_backup
from prefect_jobs.finished_files import new_finished_file
from prefect_jobs.kit.downloads import require_served
from prefect_jobs.kit.this_run import this_run_id
from prefect_jobs.settings import Settings


@job("backup", title="Backup", description="Create a backup of system data", timeout=7200)
def backup(keep: Annotated[int, Field(ge=1, le=10_000)] = 7) -> dict[str, Any]:
    """Write the event store into an archive in the backup folder, while others go on reading and writing.

    The archive is read again and held against its manifest before it counts as a backup.

    Args:
        keep: How many backups stay, this one included; the oldest ones go.
    """
    settings, run_id, now = Settings(), this_run_id(), datetime.now(UTC)
    require_served(settings.backups_path, "PREFECT_JOBS_BACKUPS_DIR")
    name = backup_name(run_id, now)
    with (
        the_only_backup(settings.backups_path),
        open_event_store(settings.events_database) as store,
        new_finished_file(settings.backups_path, name) as file,
    ):
        manifest = write_backup(
            store,
            file,
            backup_id=str(run_id),
            at=now,
            scratch=settings.scratch_path,
            tell=lambda percent, message: progress(percent=percent, message=message),
            step_taken=checkpoint,
        )
        checksum = checksum_of(file)
    removed = remove_all_but(settings.backups_path, keep)
    return {
        "file_path": f"/api/backup/{run_id}/download",
        "file_name": name,
        "file_size": (settings.backups_path / name).stat().st_size,
        "sha256": checksum,
        "manifest": vars(manifest),
        "removed": removed,
    }


if __name__ == "__main__":
    backup()
