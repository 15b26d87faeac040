"""Events as CSV, JSON and ZIP, byte by byte."""

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from prefect_jobs.events.export_file import (
    ALL_COLUMNS,
    COLUMNS,
    Row,
    UnknownColumn,
    csv_text,
    guarded,
    open_writer,
    require_columns,
    unguarded,
)
from prefect_jobs.events.sample_scenes import HOSTILE_TEXTS
from prefect_jobs.events.workbook import CELL_LENGTH, workbook_writer

PLAIN: Row = (
    1, "Front Door", "2026-03-04T08:15:00.120345+00:00", None, 42, "medium", "A cat", 2, True, "cat", None
)  # fmt: skip
EMPTY: Row = (2, "Unknown", "2026-03-04T08:14:00.000000+00:00", None, None, None, None, 0, False, None, None)


def hostile(text: str, id: int = 3) -> Row:
    return (id, text or "x", "2026-03-04T08:13:00.000000+00:00", None, 0, text, text, 1, 1, text, text)


ROWS = [PLAIN, EMPTY, *(hostile(text, id) for id, text in enumerate(HOSTILE_TEXTS, 3))]


SHEET = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def written(format: str, *batches: list[Row], columns: tuple[str, ...] = ALL_COLUMNS) -> bytes:
    file = io.BytesIO()
    with open_writer(format, file, "events_export_x", columns, scratch=Path("nowhere")) as write:
        for batch in batches:
            write(batch)
    return file.getvalue()


def workbook(folder: Path, *batches: list[Row], columns: tuple[str, ...] = ALL_COLUMNS, sheet_rows: int = 100) -> bytes:
    file = io.BytesIO()
    with workbook_writer(file, folder, columns, sheet_rows=sheet_rows) as write:
        for batch in batches:
            write(batch)
    return file.getvalue()


def sheets_of(content: bytes) -> list[list[list[str | float]]]:
    """The rows of each sheet, read as a spreadsheet reads them: empty cells are left out."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("xl/worksheets/"))
        roots = [ElementTree.fromstring(archive.read(name)) for name in names]
    return [[[_cell(cell) for cell in row] for row in root.iterfind("m:sheetData/m:row", SHEET)] for root in roots]


def _cell(cell: ElementTree.Element) -> str | float:
    assert cell.find("m:f", SHEET) is None, "a formula"
    if cell.get("t") == "inlineStr":
        text = cell.findtext("m:is/m:t", namespaces=SHEET) or ""
        return re.sub(r"_x([0-9A-F]{4})_", lambda code: chr(int(code[1], 16)), text)
    return float(cell.findtext("m:v", namespaces=SHEET) or "nan")


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


@pytest.mark.parametrize(
    "start",
    ["=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66", "\ufe62", "\ufe63", "\ufe6b"],
)
def test_a_cell_that_a_spreadsheet_would_execute_is_guarded(start: str) -> None:
    """Also in the wide forms, which spreadsheets of East Asia take for the same."""
    assert csv_text(f"{start}1+1").lstrip('"').startswith(f"'{start}1+1")


@pytest.mark.parametrize(
    "text", ["=1", "'=1", "''=1", "'", "''", "'quoted'", "\uff1d1", "'\uff1d1", "\t", "-", "'a", "", " =1"]
)
def test_the_guard_can_be_taken_away_again_from_any_text(text: str) -> None:
    """A text that looks guarded is guarded, too; else `'=1` would come back from our own file as `=1`."""
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["1=1", " =1", "'1", "\n=1", "ordinary", "٣-1", "'"])
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


def test_chosen_columns_come_in_the_order_they_were_asked_for() -> None:
    columns = ("summary", "event_id", "reviewed")
    assert written("csv", [PLAIN], columns=columns) == b"Summary,Event ID,Reviewed\r\nA cat,1,Yes\r\n"
    objects = [{"summary": "A cat", "event_id": 1, "reviewed": True}]
    assert written("json", [PLAIN], columns=columns) == json.dumps(objects, indent=2).encode()


def test_a_single_column_is_enough() -> None:
    assert written("csv", [PLAIN, EMPTY], columns=("camera_name",)) == b"Camera\r\nFront Door\r\nUnknown\r\n"
    assert json.loads(written("json", [EMPTY], columns=("summary",))) == [{"summary": None}]


@pytest.mark.parametrize("columns", [[], ["summary", "summary"], ["summary", "password"], ["Event ID"]])
def test_columns_that_cannot_be_exported_are_refused(columns: list[str]) -> None:
    with pytest.raises(ValueError, match="column"):
        require_columns(columns)


def test_an_unknown_column_is_named_beside_the_known_ones() -> None:
    with pytest.raises(UnknownColumn, match=r"no column camera; the columns are event_id, camera_name"):
        require_columns(["camera"])


def test_a_workbook_holds_numbers_as_numbers_and_every_text_as_text(tmp_path: Path) -> None:
    [rows] = sheets_of(workbook(tmp_path, ROWS[:4], ROWS[4:]))
    assert rows[0] == list(COLUMNS.values())
    assert rows[1] == [1, "Front Door", "2026-03-04T08:15:00.120345+00:00", 42, "medium", "A cat", 2, "Yes", "cat"]
    assert rows[2] == [2, "Unknown", "2026-03-04T08:14:00.000000+00:00", 0, "No"]
    for text, row in zip(HOSTILE_TEXTS, rows[3:], strict=True):
        assert text in row or not text


def test_a_workbook_leaves_nothing_in_its_scratch_folder(tmp_path: Path) -> None:
    def stopped() -> None:
        with workbook_writer(io.BytesIO(), tmp_path) as write:
            write(ROWS)
            raise ValueError("stopped")

    workbook(tmp_path, ROWS)
    with pytest.raises(ValueError, match="stopped"):
        stopped()
    assert list(tmp_path.iterdir()) == []


def test_what_one_sheet_cannot_hold_goes_on_in_the_next(tmp_path: Path) -> None:
    content = workbook(tmp_path, [PLAIN] * 3, [PLAIN] * 4, columns=("event_id",), sheet_rows=4)
    assert sheets_of(content) == [[["Event ID"], [1.0], [1.0], [1.0]]] * 2 + [[["Event ID"], [1.0]]]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert re.findall(r'sheet name="([^"]+)"', archive.read("xl/workbook.xml").decode()) == [
            "Events",
            "Events 2",
            "Events 3",
        ]


def test_a_text_that_no_cell_holds_is_cut_visibly(tmp_path: Path) -> None:
    [rows] = sheets_of(workbook(tmp_path, [hostile("x" * (CELL_LENGTH + 1))], columns=("summary",)))
    assert rows[1] == ["x" * (CELL_LENGTH - 1) + "…"]


def test_an_unknown_format_has_no_writer() -> None:
    with pytest.raises(KeyError, match="xlsx"):
        written("xlsx")
