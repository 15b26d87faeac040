"""Events as CSV, JSON or ZIP bytes, made row by row, so that memory does not grow with the number of events.

Python's indenting JSON encoder costs 20 µs an event and needs the whole array; here each event fills a template, which
gives the same bytes as `json.dumps(events, indent=2, ensure_ascii=False)`. Spreadsheets execute cells that begin like a
formula, so text cells of a CSV file are guarded.
"""

import zipfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, BinaryIO

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

_FORMULA_STARTS = frozenset("=+-@\t\r")
_JSON_EVENT = "  {\n" + ",\n".join(f'    "{key}": %s' for key in COLUMNS) + "\n  }"


@contextmanager
def csv_writer(file: BinaryIO) -> Generator[Writer]:
    """Write events as CSV: UTF-8 without BOM, RFC 4180 quoting where needed, CRLF, a heading row always."""
    file.write(f"{','.join(COLUMNS.values())}\r\n".encode())
    # Encoded one by one: a single emoji would make a joined text four times as wide, and its encoding slow.
    yield lambda batch: file.writelines([csv_line(row).encode() for row in batch])


@contextmanager
def json_writer(file: BinaryIO) -> Generator[Writer]:
    """Write events as one JSON array of objects with two-space indent; `[]` when there are none."""
    started = False

    def write(batch: Iterable[Row]) -> None:
        nonlocal started
        if objects := [json_object(row).encode() for row in batch]:
            file.write(b",\n" if started else b"[\n")
            file.write(b",\n".join(objects))
            started = True

    yield write
    file.write(b"\n]" if started else b"[]")


@contextmanager
def zip_writer(file: BinaryIO, member: str) -> Generator[Writer]:
    """Write a deflate archive with a single member that holds the JSON form."""
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(member, "w", force_zip64=True) as entry,
        json_writer(entry) as write,  # pyright: ignore[reportArgumentType]  # a zip entry writes bytes, as used here
    ):
        yield write


def csv_line(row: Row) -> str:
    """The line of one event: the bytes that `csv.writer` would make of guarded cells, at a third of its cost."""
    event, camera, started, ended, score, level, summary, detections, reviewed, objects, reasoning = row
    return (
        f"{event},{_repeated_csv_text(camera)},{started or ''},{ended or ''},{'' if score is None else score},"
        f"{_repeated_csv_text(level)},{csv_text(summary)},{detections},{'Yes' if reviewed else 'No'},"
        f"{_repeated_csv_text(objects)},{csv_text(reasoning)}\r\n"
    )


def csv_text(text: str | None) -> str:
    """A text cell: with a leading single quote if a spreadsheet would take it for a formula, quoted if need be."""
    if not text:
        return ""
    if text[0] in _FORMULA_STARTS:
        text = f"'{text}"
    if '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return f'"{text}"' if "," in text or "\n" in text or "\r" in text else text


_repeated_csv_text = lru_cache(maxsize=1024)(csv_text)  # camera, level, objects: few values, many rows


def json_object(row: Row) -> str:
    """One event as it stands in the array."""
    event, camera, started, ended, score, level, summary, detections, reviewed, objects, reasoning = row
    return _JSON_EVENT % (
        event,
        encode_basestring(camera),
        _json_text(started),
        _json_text(ended),
        "null" if score is None else score,
        _json_text(level),
        _json_text(summary),
        detections,
        "true" if reviewed else "false",
        _json_text(objects),
        _json_text(reasoning),
    )


def _json_text(text: str | None) -> str:
    return "null" if text is None else encode_basestring(text)


def open_writer(format: str, file: BinaryIO, stem: str) -> AbstractContextManager[Writer]:
    """The writer of a format; `stem` names the member of a ZIP archive. Raises `KeyError` for an unknown format."""
    if format == "zip":
        return zip_writer(file, f"{stem}.json")
    return {"csv": csv_writer, "json": json_writer}[format](file)
