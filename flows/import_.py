"""Import events from external files: a job that reads a file row by row, keeps the good ones and reports the others."""

import csv
import fcntl
import io
import logging
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO, Literal

from prefect_jobs import JobStopped, checkpoint, job, progress, publishing
from prefect_jobs.events import open_event_store
from prefect_jobs.events.export_file import guarded
from prefect_jobs.events.incoming.event_file import EventFile, open_confined
from prefect_jobs.events.incoming.event_import import BATCH, EventImport, open_import
from prefect_jobs.events.incoming.event_record import IncomingEvent, read_event, unknown_columns
from prefect_jobs.events.incoming.records import Record, Rejected, UnreadableFile
from prefect_jobs.settings import Settings

COLUMNS_TOLD = 20

logger = logging.getLogger("prefect_jobs.flows.import")


@job("import", title="Import", description="Import events from external files", timeout=3600)
def import_(
    path: str | None = None,
    upload: str | None = None,
    on_duplicate: Literal["skip", "update"] = "skip",
    dry_run: bool = False,
) -> dict[str, Any]:
    """Import events from a CSV file, a JSON array, JSON Lines or a ZIP of these, told apart by their content.

    Good rows are kept in transactions of a thousand, whatever comes behind them; the others are listed in a file with
    line, column and reason. Importing a file again changes nothing.

    Args:
        path: A file in the import folder of the server.
        upload: Instead of it: a file that was sent to the API. It is removed once its events are in.
        on_duplicate: What happens to an event that is known: it stays as it is, or is written anew.
        dry_run: Only say what would happen.
    """
    settings = Settings()
    progress(percent=0, message="Starting import...")
    with (
        _opened(settings, path, upload) as file,
        open_event_store(settings.events_database) as store,
        open_import(store, on_duplicate=on_duplicate, dry_run=dry_run) as taking,
    ):
        counts = _take_all(EventFile(file, settings.unpacked_limit), taking)
    if upload is not None and not dry_run:
        (settings.uploads_path / upload).unlink(missing_ok=True)
    return {"file": path or upload, "dry_run": dry_run, **counts}


def _take_all(file: EventFile, taking: EventImport) -> dict[str, Any]:
    rows = 0
    unknown: set[str] = set()
    batch: list[IncomingEvent] = []
    with _Report() as report:
        try:
            for found in file.records():
                rows += 1
                event = _event_in(found)
                if isinstance(event, IncomingEvent):
                    batch.append(event)
                else:
                    report.add(event)
                if rows == 1 and isinstance(found, Record):
                    unknown = unknown_columns(found.fields)
                if rows % BATCH == 0:
                    _take(batch, taking, file, rows)
            _take(batch, taking, file, rows)
        except UnreadableFile as error:
            _take(batch, taking, file, rows)
            raise UnreadableFile(f"{error}. Of the rows before, {_summary(taking, report)}") from error
        except JobStopped:
            logger.warning("Stopped after %s rows: of those, %s", f"{rows - len(batch):,}", _summary(taking, report))
            raise
        return {
            "rows": rows,
            **vars(taking.tally),
            "rejected": report.rows,
            "report_path": report.url,
            "ignored_columns": sorted(unknown)[:COLUMNS_TOLD],
        }


def _event_in(found: Record | Rejected) -> IncomingEvent | list[Rejected]:
    return [found] if isinstance(found, Rejected) else read_event(found)


def _take(batch: list[IncomingEvent], taking: EventImport, file: EventFile, rows: int) -> None:
    checkpoint()
    if batch:
        taking.take(batch)
        batch.clear()
    progress(percent=99 * file.done, message=f"Read {rows:,} rows")


def _summary(taking: EventImport, report: "_Report") -> str:
    done = taking.tally
    text = f"{done.imported:,} were imported, {done.updated:,} updated, {done.skipped:,} skipped"
    return text + (f", {report.rows:,} rejected: {report.url}" if report.rows else "")


class _Report:
    """The file that lists what was rejected; there is none where nothing was."""

    def __init__(self) -> None:
        self.rows = 0
        self.url: str | None = None
        self._open = ExitStack()
        self._writer: Any = None

    def __enter__(self) -> "_Report":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        # A file that was no good has its report, too, and so has a job that was stopped: its good rows are in.
        if kind is not None and issubclass(kind, UnreadableFile | JobStopped):
            self._open.close()
        else:
            self._open.__exit__(kind, error, trace)

    def add(self, wrong: list[Rejected]) -> None:
        """Write down a row that was rejected."""
        if self._writer is None:
            published = self._open.enter_context(publishing("import_report.csv"))
            self.url = published.url
            text = self._open.enter_context(_text_of(published.file))
            self._writer = csv.writer(text)
            self._writer.writerow(["file", "line", "column", "reason"])
        self.rows += 1
        for item in wrong:
            place = item.place
            cells = (place.member, place.line, item.column, item.reason)
            self._writer.writerow([guarded(str(cell)) for cell in cells])


@contextmanager
def _text_of(file: BinaryIO) -> Generator[io.TextIOWrapper]:
    text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="")
    yield text
    text.detach()


@contextmanager
def _opened(settings: Settings, path: str | None, upload: str | None) -> Generator[BinaryIO]:
    if (path is None) == (upload is None):
        raise ValueError("Name either a path in the import folder or an upload")
    root, name = (settings.imports_path, path) if upload is None else (settings.uploads_path, upload)
    with open_confined(root, name or "") as file:
        if upload is not None:
            fcntl.flock(file, fcntl.LOCK_SH)  # no cleanup removes what is being read
        yield file


if __name__ == "__main__":
    import sys

    import_(path=sys.argv[1])
