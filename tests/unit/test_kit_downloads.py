"""Publishing files: what may be downloaded, under which name, and that nothing half is ever seen."""

import os
from pathlib import Path
from uuid import UUID

import pytest

from prefect_jobs import publish, publishing
from prefect_jobs.api.downloads import finished_file
from prefect_jobs.exports import PUBLISHED_FILE_NAME, published_name

RUN = UUID("5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREFECT_JOBS_EXPORTS_DIR", str(tmp_path / "exports"))
    return tmp_path / "exports"


def name_in(url: str) -> str:
    assert url.startswith("/api/exports/")
    return url.removeprefix("/api/exports/")


def test_a_published_file_is_served_whole_under_the_name_that_publish_returns(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    served = finished_file(folder, name_in(publish(tmp_path / "report.pdf")))
    assert served is not None
    assert served.read_bytes() == b"%PDF"
    assert (tmp_path / "report.pdf").exists()


def test_a_name_carries_part_of_the_run() -> None:
    assert published_name("report.pdf", RUN) == "report_5d1c0f4e.pdf"
    assert published_name("a.tar.gz", RUN) == "a.tar_5d1c0f4e.gz"


def test_a_file_that_is_being_written_is_not_there_yet(folder: Path) -> None:
    with publishing("rows.csv") as published:
        published.file.write(b"a,b\n")
        assert finished_file(folder, name_in(published.url)) is None
    assert finished_file(folder, name_in(published.url)) is not None


@pytest.mark.parametrize("error", [ValueError("bad row"), KeyboardInterrupt()])
def test_a_file_whose_writing_broke_never_appears(folder: Path, error: BaseException) -> None:
    def broken() -> None:
        with publishing("rows.csv") as published:
            published.file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        broken()
    assert os.listdir(folder) == []


def test_a_retried_job_replaces_what_its_first_attempt_published(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(RUN))
    source = tmp_path / "report.txt"
    for text in ("first", "second"):
        source.write_text(text)
        url = publish(source)
    assert name_in(url) == "report_5d1c0f4e.txt"
    assert (folder / "report_5d1c0f4e.txt").read_text() == "second"


@pytest.mark.parametrize(
    "name", ["", "report", "../report.pdf", "a/b.pdf", ".hidden.pdf", "r\n.pdf", "x" * 101 + ".pdf", "ü.pdf", "a.p?f"]
)
def test_a_name_that_would_not_be_served_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be published under this name"), publishing(name):
        pass
    assert not folder.exists()


def test_exports_are_published_files() -> None:
    assert PUBLISHED_FILE_NAME.fullmatch("events_export_20260304_081552_5d1c0f4e.csv")
