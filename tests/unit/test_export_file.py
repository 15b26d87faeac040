"""Events as CSV, JSON and ZIP, byte by byte."""

import csv
import io
import json
import zipfile
from typing import Any

import pytest

from prefect_jobs.events.export_file import COLUMNS, Row, csv_text, open_writer
from prefect_jobs.events.sample_scenes import HOSTILE_TEXTS

PLAIN: Row = (
    1, "Front Door", "2026-03-04T08:15:00.120345+00:00", None, 42, "medium", "A cat", 2, True, "cat", None
)  # fmt: skip
EMPTY: Row = (2, "Unknown", "2026-03-04T08:14:00.000000+00:00", None, None, None, None, 0, False, None, None)


def hostile(text: str, id: int = 3) -> Row:
    return (id, text or "x", "2026-03-04T08:13:00.000000+00:00", None, 0, text, text, 1, 1, text, text)


ROWS = [PLAIN, EMPTY, *(hostile(text, id) for id, text in enumerate(HOSTILE_TEXTS, 3))]


def written(format: str, *batches: list[Row]) -> bytes:
    file = io.BytesIO()
    with open_writer(format, file, "events_export_x") as write:
        for batch in batches:
            write(batch)
    return file.getvalue()


def as_objects(rows: list[Row]) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, row, strict=True)) | {"reviewed": bool(row[8])} for row in rows]


def test_a_csv_file_reads_as_the_contract_says() -> None:
    assert written("csv", [PLAIN, EMPTY]) == (
        b"Event ID,Camera,Started At,Ended At,Risk Score,Risk Level,Summary,Detections,Reviewed,Object Types,Reasoning"
        b"\r\n1,Front Door,2026-03-04T08:15:00.120345+00:00,,42,medium,A cat,2,Yes,cat,\r\n"
        b"2,Unknown,2026-03-04T08:14:00.000000+00:00,,,,,0,No,,\r\n"
    )


def test_a_csv_file_holds_what_pythons_own_writer_would_write() -> None:
    expected = io.StringIO(newline="")
    writer = csv.writer(expected)
    writer.writerow(COLUMNS.values())
    for row in ROWS:
        cells = [f"'{c}" if isinstance(c, str) and c[:1] in tuple("=+-@\t\r") else c for c in row]
        writer.writerow([*cells[:8], "Yes" if row[8] else "No", *cells[9:]])
    assert written("csv", ROWS[:4], ROWS[4:]).decode() == expected.getvalue()


def test_hostile_text_comes_back_from_a_csv_file_unharmed_but_for_the_guard() -> None:
    rows = list(csv.reader(io.StringIO(written("csv", ROWS).decode(), newline="")))
    assert len(rows) == 1 + len(ROWS)
    for text, cells in zip(HOSTILE_TEXTS, rows[3:], strict=True):
        assert cells[6].removeprefix("'") == text
        assert cells[10] == cells[6]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_execute_is_guarded(start: str) -> None:
    assert csv_text(f"{start}1+1").lstrip('"').startswith(f"'{start}1+1")


@pytest.mark.parametrize("text", ["1=1", " =1", "'=1", "\n=1", "ordinary", "٣-1", "'"])
def test_other_cells_keep_their_text(text: str) -> None:
    assert csv_text(text).strip('"') == text


def test_a_csv_file_without_events_is_its_heading() -> None:
    assert written("csv") == f"{','.join(COLUMNS.values())}\r\n".encode()


def test_a_json_file_is_what_the_standard_library_would_write() -> None:
    expected = json.dumps(as_objects(ROWS), indent=2, ensure_ascii=False).encode()
    assert written("json", ROWS) == expected
    assert written("json", ROWS[:1], [], ROWS[1:3], ROWS[3:]) == expected


def test_a_json_file_without_events_is_an_empty_array() -> None:
    assert written("json") == b"[]"
    assert written("json", []) == b"[]"


def test_a_zip_file_holds_the_json_form_and_nothing_else() -> None:
    with zipfile.ZipFile(io.BytesIO(written("zip", ROWS))) as archive:
        (member,) = archive.infolist()
        assert member.filename == "events_export_x.json"
        assert member.compress_type == zipfile.ZIP_DEFLATED
        assert json.loads(archive.read(member)) == as_objects(ROWS)


def test_an_unknown_format_has_no_writer() -> None:
    with pytest.raises(KeyError, match="xlsx"):
        written("xlsx")
