"""Restore a backup: a job that puts an archive in place of what is in the event store, all of it or nothing."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO

from prefect_jobs import checkpoint, job, progress, step
from prefect_jobs.backups import backup_name, the_only_backup
from prefect_jobs.events import EventStore, open_event_store
from prefect_jobs.events.backup.making import write_backup
from prefect_jobs.events.backup.restoring import open_archive
from prefect_jobs.events.backup.restoring import restore as replace_store
from prefect_jobs.events.incoming.event_file import open_confined
from prefect_jobs.finished_files import new_finished_file
from prefect_jobs.kit.this_run import this_run_id
from prefect_jobs.settings import Settings


@job("restore", title="Restore", description="Replace the event store by a backup", timeout=7200)
def restore(backup: str | None = None, upload: str | None = None, backup_first: bool = True) -> dict[str, Any]:
    """Replace everything in the event store by what is in a backup.

    The archive is read through before anything is changed; one that is damaged is refused. The store is replaced in one
    transaction, so that it holds either what it held or what the archive holds, whatever happens on the way. Whoever
    writes to the store waits from before the backup of what is replaced until the end: each event is in one of both.

    Args:
        backup: The name of a file in the backup folder.
        upload: Instead of it: an archive that was sent to the API. It is removed once it is restored.
        backup_first: Make a backup of what is going to be replaced.
    """
    settings = Settings()
    with _opened(settings, backup, upload) as file, open_event_store(settings.events_database) as store:
        progress(percent=0, message="Validating backup...")
        archive = open_archive(file, checkpoint, unpacked_limit=None if upload is None else settings.unpacked_limit)
        name = backup_name(this_run_id(), datetime.now(UTC)) if backup_first else None
        with step("Restoring"):
            replaced = replace_store(
                store,
                archive,
                scratch=settings.scratch_path,
                tell=_tell,
                step_taken=checkpoint,
                save=partial(_save, settings, store, name) if name else None,
            )
    if upload is not None:
        (settings.uploads_path / upload).unlink(missing_ok=True)
    contents = archive.manifest.contents
    return {
        "backup": backup or upload,
        "restored": {table: entry["count"] for table, entry in contents.items()},
        "manifest": vars(archive.manifest),
        "backup_before": name,
        "replaced": replaced,
    }


def _save(settings: Settings, store: EventStore, name: str) -> None:
    """Make a backup of the store as it is."""
    with (
        step("Backing up what is replaced"),
        the_only_backup(settings.backups_path),
        new_finished_file(settings.backups_path, name) as file,
    ):
        write_backup(
            store,
            file,
            backup_id=str(this_run_id()),
            at=datetime.now(UTC),
            scratch=settings.scratch_path,
            tell=lambda percent, message: progress(percent=90 + 0.05 * percent, message=message),
            step_taken=checkpoint,
        )


def _tell(percent: int, message: str) -> None:
    progress(percent=percent, message=message)


@contextmanager
def _opened(settings: Settings, backup: str | None, upload: str | None) -> Generator[BinaryIO]:
    if (backup is None) == (upload is None):
        raise ValueError("Name either a backup or an upload")
    root, name = (settings.backups_path, backup) if upload is None else (settings.uploads_path, upload)
    with open_confined(root, name or "") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # nobody removes what is being read
        yield file


if __name__ == "__main__":
    import sys

    restore(backup=sys.argv[1])
