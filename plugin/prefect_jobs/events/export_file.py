"""Events as CSV, JSON, ZIP or Excel bytes, made row by row, so that memory does not grow with the number of events.

Python's indenting JSON encoder costs 20 µs an event and needs the whole array; here each event fills a template, which
gives the same bytes as `json.dumps(events, indent=2, ensure_ascii=False)`. Spreadsheets execute cells that begin like a
formula, so text cells of a CSV file are guarded.
"""

import zipfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from json.encoder import encode_basestring
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

Row = Sequence[Any]
"""An event in the order of `COLUMNS`; times are ISO 8601 text."""
Writer = Callable[[Iterable[Row]], None]
"""Takes the next rows."""

COLUMNS = {
    "event_id": "Event ID",
    "camera_name": "Camera",
    "started_at": "Started At",
    "ended_at": "Ended At",
    "risk_score": "Risk Score",
    "risk_level": "Risk Level",
    "summary": "Summary",
    "detection_count": "Detections",
    "reviewed": "Reviewed",
    "object_types": "Object Types",
    "reasoning": "Reasoning",
}
"""JSON key and CSV heading of each column, in order."""

ALL_COLUMNS = tuple(COLUMNS)
FORMULA_STARTS = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b")
"""A text cell that begins with one of these would be executed by a spreadsheet; those of East Asia also take the full
width and the small forms of the signs for them."""

T = TypeVar("T")


class UnknownColumn(ValueError):
    """There is no column {name}"""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no column {name}; the columns are {', '.join(COLUMNS)}")


def require_columns(columns: Sequence[str] | None) -> tuple[str, ...]:
    """The columns as they were asked for, all of them when none were.

    Raises:
        ValueError: none is left, one is named twice, or does not exist (`UnknownColumn`).
    """
    if columns is None:
        return ALL_COLUMNS
    if unknown := next((name for name in columns if name not in COLUMNS), None):
        raise UnknownColumn(unknown)
    if not columns or len(set(columns)) < len(columns):
        raise ValueError("columns must name at least one column, and each only once")
    return tuple(columns)


def chosen_of(columns: Sequence[str]) -> Callable[[tuple[T, ...]], tuple[T, ...]]:
    """What picks the chosen columns, in their order, out of a tuple in the order of `COLUMNS`."""
    places = [ALL_COLUMNS.index(name) for name in columns]
    if len(places) == 1:
        return lambda cells: (cells[places[0]],)
    return (lambda cells: cells) if tuple(columns) == ALL_COLUMNS else itemgetter(*places)


@contextmanager
def csv_writer(file: BinaryIO, columns: Sequence[str] = ALL_COLUMNS) -> Generator[Writer]:
    """Write events as CSV: UTF-8 without BOM, RFC 4180 quoting where needed, CRLF, a heading row always."""
    chosen = chosen_of(columns)
    file.write(f"{','.join(COLUMNS[name] for name in columns)}\r\n".encode())
    # Encoded one by one: a single emoji would make a joined text four times as wide, and its encoding slow.
    yield lambda batch: file.writelines([f"{','.join(chosen(csv_cells(row)))}\r\n".encode() for row in batch])


@contextmanager
def json_writer(file: BinaryIO, columns: Sequence[str] = ALL_COLUMNS) -> Generator[Writer]:
    """Write events as one JSON array of objects with two-space indent; `[]` when there are none."""
    chosen = chosen_of(columns)
    template = "  {\n" + ",\n".join(f'    "{key}": %s' for key in columns) + "\n  }"
    started = False

    def write(batch: Iterable[Row]) -> None:
        nonlocal started
        if objects := [(template % chosen(json_values(row))).encode() for row in batch]:
            file.write(b",\n" if started else b"[\n")
            file.write(b",\n".join(objects))
            started = True

    yield write
    file.write(b"\n]" if started else b"[]")


@contextmanager
def zip_writer(file: BinaryIO, member: str, columns: Sequence[str] = ALL_COLUMNS) -> Generator[Writer]:
    """Write a deflate archive with a single member that holds the JSON form."""
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(member, "w", force_zip64=True) as entry,
        json_writer(entry, columns) as write,  # pyright: ignore[reportArgumentType]  # it writes bytes, as used here
    ):
        yield write


def csv_cells(row: Row) -> tuple[str, ...]:
    """The cells of one event: what `csv.writer` would make of guarded cells, at a third of its cost."""
    event, camera, started, ended, score, level, summary, detections, reviewed, objects, reasoning = row
    return (
        str(event),
        _repeated_csv_text(camera),
        started or "",
        ended or "",
        "" if score is None else str(score),
        _repeated_csv_text(level),
        csv_text(summary),
        str(detections),
        "Yes" if reviewed else "No",
        _repeated_csv_text(objects),
        csv_text(reasoning),
    )


def guarded(text: str) -> str:
    """The text with a single quote in front if a spreadsheet would execute it, or `unguarded` take it for guarded."""
    return f"'{text}" if _needs_guard(text) else text


def unguarded(text: str) -> str:
    """The text that `guarded` was given."""
    return text[1:] if text[:1] == "'" and _needs_guard(text[1:]) else text


def _needs_guard(text: str) -> bool:
    return text.lstrip("'")[:1] in FORMULA_STARTS


def csv_text(text: str | None) -> str:
    """A text cell: with a leading single quote if a spreadsheet would take it for a formula, quoted if need be."""
    if not text:
        return ""
    text = guarded(text)
    if '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return f'"{text}"' if "," in text or "\n" in text or "\r" in text else text


_repeated_csv_text = lru_cache(maxsize=1024)(csv_text)  # camera, level, objects: few values, many rows


def json_values(row: Row) -> tuple[str, ...]:
    """The JSON text of each value of one event."""
    event, camera, started, ended, score, level, summary, detections, reviewed, objects, reasoning = row
    return (
        str(event),
        encode_basestring(camera),
        _json_text(started),
        _json_text(ended),
        "null" if score is None else str(score),
        _json_text(level),
        _json_text(summary),
        str(detections),
        "true" if reviewed else "false",
        _json_text(objects),
        _json_text(reasoning),
    )


def _json_text(text: str | None) -> str:
    return "null" if text is None else encode_basestring(text)


def open_writer(
    format: str, file: BinaryIO, stem: str, columns: Sequence[str] = ALL_COLUMNS, *, scratch: Path
) -> AbstractContextManager[Writer]:
    """The writer of a format. Raises `KeyError` for an unknown one.

    `stem` names the member of a ZIP archive; `scratch` is where a workbook's sheets lie until they are packed.
    """
    if format == "zip":
        return zip_writer(file, f"{stem}.json", columns)
    if format == "excel":
        from prefect_jobs.events.workbook import workbook_writer  # 60 ms, for the few exports that need it

        return workbook_writer(file, scratch, columns)
    return {"csv": csv_writer, "json": json_writer}[format](file, columns)
