"""The export folder: nothing half, nothing twice, nothing left behind."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest

from prefect_jobs.exports import EXPORT_FILE_NAME, export_stem, require_format
from prefect_jobs.finished_files import new_finished_file, remove_leftovers

RUN = UUID("5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10")
NAME = "events_export_20260304_081552_5d1c0f4e.csv"

WRITE_AND_WAIT = """
import sys, pathlib
from prefect_jobs.finished_files import new_finished_file
with new_finished_file(pathlib.Path(sys.argv[1]), sys.argv[2]) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def writer_in_another_process(folder: Path, name: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(folder), name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def test_a_name_tells_time_in_utc_and_run() -> None:
    at = datetime(2026, 3, 4, 17, 15, 52, tzinfo=timezone(timedelta(hours=9)))
    assert f"{export_stem(RUN, at)}.csv" == NAME


def test_two_exports_in_one_second_have_two_names() -> None:
    at = datetime(2026, 3, 4, 8, 15, 52, tzinfo=UTC)
    assert export_stem(RUN, at) != export_stem(UUID(int=RUN.int + (1 << 100)), at)


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    with new_finished_file(folder, NAME) as file:
        file.write(b"rows")
        assert not (folder / NAME).exists()
        assert all(EXPORT_FILE_NAME.fullmatch(name) is None for name in names(folder))
    assert (folder / NAME).read_bytes() == b"rows"
    assert names(folder) == [NAME]


def test_files_and_folder_are_their_owners_alone(tmp_path: Path) -> None:
    with new_finished_file(tmp_path / "exports", NAME):
        pass
    assert (tmp_path / "exports").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "exports" / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("error", [ValueError("bad row"), KeyboardInterrupt(), SystemExit(143)])
def test_an_export_that_is_stopped_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def stopped() -> None:
        with new_finished_file(tmp_path, NAME) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        stopped()
    assert names(tmp_path) == []


def test_a_finished_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"precious")
    with pytest.raises(FileExistsError), new_finished_file(tmp_path, NAME):
        pytest.fail("the name is taken")
    assert names(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_bytes() == b"precious"


def test_a_file_being_written_is_neither_taken_nor_swept(tmp_path: Path) -> None:
    with new_finished_file(tmp_path, NAME) as file:
        file.write(b"mine")
        with pytest.raises(FileExistsError), new_finished_file(tmp_path, NAME):
            pytest.fail("the name is taken")
        assert remove_leftovers(tmp_path) == 0
    assert (tmp_path / NAME).read_bytes() == b"mine"


def test_what_a_killed_export_leaves_has_no_final_name_and_the_next_export_removes_it(tmp_path: Path) -> None:
    process = writer_in_another_process(tmp_path, NAME)
    assert remove_leftovers(tmp_path) == 0  # still being written, by somebody else
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert names(tmp_path) == [f".{NAME}.part"]
    with new_finished_file(tmp_path, NAME.replace("csv", "json")):
        pass
    assert names(tmp_path) == [NAME.replace("csv", "json")]


def test_sweeping_follows_no_link_and_touches_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / ".link.part").symlink_to(tmp_path / "precious")
    (tmp_path / ".hidden").write_text("kept")
    remove_leftovers(tmp_path)
    assert {"precious", ".hidden"} <= set(names(tmp_path))
    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x.csv",
        "events_export_1_2_x.csv",
        f"../{NAME}",
        f".{NAME}.part",
        f"{NAME}\n",
        f"{NAME}/..",
        f"x{NAME}",
        NAME.upper(),
        NAME.replace("csv", "exe"),
        NAME.replace("2", "٢"),
    ],
)
def test_only_names_that_an_export_gives_are_export_files(name: str) -> None:
    assert EXPORT_FILE_NAME.fullmatch(name) is None
    assert EXPORT_FILE_NAME.fullmatch(NAME)


@pytest.mark.parametrize("format", ["xlsx", "CSV", "", "csv\n", "../csv"])
def test_other_formats_are_refused_by_name(format: str) -> None:
    with pytest.raises(ValueError, match=r"^Unsupported export format: "):
        require_format(format)
