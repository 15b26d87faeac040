"""Files of events as they really arrive: of every kind, cut off, in the wrong encoding, and made to do harm."""

import io
import json
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from prefect_jobs.events.incoming.event_file import FREE, MEMBERS, EventFile, open_confined
from prefect_jobs.events.incoming.records import RECORD_LIMIT, Record, Rejected, UnreadableFile

HEADING = "Event ID,Camera,Started At"
START = "2026-03-04T08:15:00.120345+00:00"


def found_in(path: Path, content: bytes, *, unpacked_limit: int = 1 << 30) -> list[Record | Rejected]:
    path.write_bytes(content)
    with path.open("rb") as file:
        return list(EventFile(file, unpacked_limit).records())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.bin"


def told(found: Iterable[Record | Rejected]) -> list[tuple[Any, ...]]:
    """Line and fields of each record, line and reason of what was rejected."""
    return [
        (item.place.line, dict(item.fields) if isinstance(item, Record) else f"{item.column}: {item.reason}")
        for item in found
    ]


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return file.getvalue()


def test_titles_of_an_export_and_json_keys_name_the_same_columns(path: Path) -> None:
    expected = [(2, {"event_id": "1", "camera_name": "Front", "started_at": START})]
    assert told(found_in(path, f"{HEADING}\r\n1,Front,{START}\r\n".encode())) == expected
    assert told(found_in(path, f"event_id,camera_name,started_at\n1,Front,{START}".encode())) == expected


def test_a_mark_of_utf8_and_other_delimiters_are_no_obstacle(path: Path) -> None:
    for delimiter in ";\t":
        content = f"\ufeff{HEADING}\n1,Front,{START}\n".replace(",", delimiter).encode()
        assert told(found_in(path, content)) == [(2, {"event_id": "1", "camera_name": "Front", "started_at": START})]


def test_the_guard_of_an_exported_cell_is_taken_away_and_no_other_quote(path: Path) -> None:
    row = f"1,'=1+1,{START},'quoted'\r\n"
    [(_, fields)] = told(found_in(path, f"{HEADING},Summary\r\n{row}".encode()))
    assert (fields["camera_name"], fields["summary"]) == ("=1+1", "'quoted'")
    [(_, fields)] = told(found_in(path, f"event_id,camera_name,started_at,summary\r\n{row}".encode()))
    assert fields["camera_name"] == "'=1+1"


def test_lines_are_counted_as_the_file_has_them(path: Path) -> None:
    content = f'{HEADING},Summary\n1,a,{START},"two\nlines"\n\n2,b,{START}\n3,c,{START},"x"y\n4,d,{START},ok\n'
    assert told(found_in(path, content.encode())) == [
        (2, {"event_id": "1", "camera_name": "a", "started_at": START, "summary": "two\nlines"}),
        (5, ": The row has 3 cells, and the heading 4"),
        (6, ": The row is no CSV: ',' expected after '\"'"),
        (7, {"event_id": "4", "camera_name": "d", "started_at": START, "summary": "ok"}),
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (HEADING.encode("utf-16"), "UTF-16"),
        (HEADING.encode("utf-32"), "UTF-32"),
        (b"Camera,Risk Score\na,1\n", "no column 'Started At'"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "no column 'Started At'"),
        (f"{HEADING},Started At\n".encode(), "twice"),
        (f"{HEADING}\r1,Front,{START}\r".encode(), "heading is no CSV: a carriage return stands outside of quotes"),
        (f"{HEADING},{'x' * 140_000}\n".encode(), "heading is no CSV: a cell is longer than 131,072 characters"),
        (f'{HEADING}\n1,a,"{START}\n2,b,{START}\n'.encode(), "within the quotes of a cell that begin in line 2"),
        (b'[{"a": 1}, {"a"', "ends before its JSON array does, in line 1"),
        (b'[{"a": 1},\n{"a": "x', "ends before its JSON array does, in line 2"),
        (b'[{"a": 1}', "ends before its JSON array does"),
        (b"[", "ends before its JSON array does"),
        (b'[{"a": 1} {"a": 2}]', "where a comma or the end of the array belongs"),
        (b'[\n{"a": 1},\n{"a": nope}]', "record in line 3 is no JSON: Expecting value"),
        (b'[{"a": NaN}]', "NaN is no number of JSON"),
        (b'[{"a": ' + b"9" * 5000 + b"}]", "Exceeds the limit"),
        (b'[{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]", "nested too deeply"),
        (b'[{"a": 1}] more', "goes on with 'm'"),
        (b'{"a": 1}\n{"a": "x', "ends in the middle of line 2"),
        (b"PK\x03\x04 and nothing of an archive", "not whole: it is no ZIP archive, or its end is missing"),
        (b'[{"a": 1, a: 2}]', "is no JSON: a name in double quotes is missing"),
        (b'[{"a" 1}]', "is no JSON: the colon behind a name is missing"),
        (b'[{"a": "x\ny"}]', "is no JSON: a text holds a line end or another control character"),
        (b'[{"a": "\\x"}]', "is no JSON: a text has a backslash before what JSON does not know"),
        (zipped(events_csv=b"")[:-30], "damaged, or not whole"),
        (zipped(inner_zip=zipped(events_json=b"[]")), "archive within an archive"),
        (zipped(manifest_json=b"{}", events_json=b"[]"), "restore it instead"),
        (zipped(events_csv="a,b\nü".encode("utf-16")), "events.csv: The file is UTF-16"),
    ],
)
def test_a_file_that_is_no_good_says_what_is_wrong_with_it(path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(UnreadableFile, match=complaint):
        found_in(path, content)


def test_what_comes_before_the_place_where_a_file_breaks_off_is_read(path: Path) -> None:
    path.write_bytes(json.dumps([{"n": n} for n in range(100)]).encode()[:-20])
    read: list[Any] = []
    with path.open("rb") as file, pytest.raises(UnreadableFile):
        read.extend(EventFile(file, 1).records())
    read = []
    with path.open("rb") as file:
        records = EventFile(file, 1).records()
        read = [next(records) for _ in range(90)]
    assert [item.fields["n"] for item in read if isinstance(item, Record)] == list(range(90))


def test_records_of_an_array_know_their_lines_and_windows_hide_nothing(path: Path) -> None:
    objects = [{"n": n, "text": "ü" * (n * 37 % 500), "more": {"list": [1, 2.5, None, True]}} for n in range(3_000)]
    found = found_in(path, json.dumps(objects, indent=2, ensure_ascii=False).encode())
    assert [dict(item.fields) for item in found if isinstance(item, Record)] == objects
    assert [item.place.line for item in found] == [2 + 12 * n for n in range(3_000)]
    compact = found_in(path, json.dumps(objects).encode())
    assert [dict(item.fields) for item in compact if isinstance(item, Record)] == objects


def test_what_is_no_object_is_rejected_and_the_next_one_read(path: Path) -> None:
    assert told(found_in(path, b'[1, "a",\nnull, 12345, [], {"A": 1}]')) == [
        (1, ": The record is no object"),
        (1, ": The record is no object"),
        (2, ": The record is no object"),
        (2, ": The record is no object"),
        (2, ": The record is no object"),
        (2, {"a": 1}),
    ]
    content = b'{"a": 1}\r\n\n17\nnonsense\n{"a": "\xe9"}\n{"a": 2}'
    lines = told(found_in(path, content))
    assert [line for line, _ in lines] == [1, 3, 4, 5, 6]
    assert lines[2] == (4, ": The line is no JSON: Expecting value")
    assert lines[4] == (6, {"a": 2})


@pytest.mark.parametrize(
    "start", [b"started_at,", b"[{", b'{"a": "', b'["'], ids=["csv", "array", "lines", "array of text"]
)
def test_a_line_without_end_is_not_held_in_memory(path: Path, start: bytes) -> None:
    with path.open("wb") as file:
        file.write(start)
        for _ in range(64):
            file.write(b"x" * (1 << 20))
    tracemalloc.start()
    try:
        with path.open("rb") as file, pytest.raises(UnreadableFile, match=r"longer than|no JSON|no column"):
            list(EventFile(file, 1).records())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * RECORD_LIMIT


def test_the_members_of_an_archive_are_read_one_after_another(path: Path) -> None:
    archive = zipped(a_csv=f"{HEADING}\n1,a,{START}\n".encode(), b_json=b'[{"n": 1}]', c_jsonl=b'{"n": 2}\n')
    found = found_in(path, archive)
    assert [(item.place.member, item.place.line) for item in found] == [("a.csv", 2), ("b.json", 1), ("c.jsonl", 1)]
    assert str(found[1].place) == "line 1 of b.json"


def test_a_bomb_is_defused_by_its_ratio_and_by_the_limit(path: Path) -> None:
    rows = (b'{"n": "' + b"x" * 8_000 + b'"}\n') * (FREE // 4_000)
    with pytest.raises(UnreadableFile, match="more than 200 times its packed size"):
        found_in(path, zipped(bomb_jsonl=rows))
    with pytest.raises(UnreadableFile, match="PREFECT_JOBS_UNPACKED_LIMIT"):
        found_in(path, zipped(a_jsonl=rows[:8_010], b_jsonl=rows[:8_010]), unpacked_limit=10_000)


def test_an_archive_may_not_lie_about_what_is_in_it(path: Path) -> None:
    archive = bytearray(zipped(a_json=b'[{"n": 1}]'))
    at = archive.index(b"PK\x01\x02")
    archive[at + 16 : at + 20] = struct.pack("<I", 12345)  # the checksum
    with pytest.raises(UnreadableFile, match="damaged, or not whole: Bad CRC-32"):
        found_in(path, bytes(archive))
    archive[at + 8] |= 1
    with pytest.raises(UnreadableFile, match=r"a\.json in the archive is encrypted"):
        found_in(path, bytes(archive))


def test_an_archive_of_too_many_files_is_refused(path: Path) -> None:
    with pytest.raises(UnreadableFile, match="more than 1,000 files"):
        found_in(path, zipped(**{f"f{n}": b"" for n in range(MEMBERS + 1)}))


def test_how_far_reading_is_grows_to_one(path: Path) -> None:
    path.write_bytes(b'{"n": 1}\n' * 50_000)
    with path.open("rb") as file:
        reading = EventFile(file, 1)
        steps = [reading.done for _ in reading.records()]
    assert (steps[-1], sorted(steps)) == (1.0, steps)
    assert steps[0] < 0.2


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "link", "folder/../../secret", "folder", "", ".", "pipe", "no\0pe"]
)
def test_only_regular_files_of_the_folder_are_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(root / "pipe")
    with pytest.raises(ValueError, match="There is no file"):
        open_confined(root, name)


def test_a_file_in_a_folder_of_the_folder_is_opened(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    (tmp_path / "day" / "events.csv").write_text("x")
    with open_confined(tmp_path, "day/events.csv") as file:
        assert file.read() == b"x"
