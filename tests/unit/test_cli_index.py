"""`prefect-jobs index` looks: it makes no index where there is none.

Without settings `index status` left an empty index in the home folder of whoever asked.
"""

import sqlite3
import sys
from pathlib import Path

import pytest

from prefect_jobs.cli import main
from prefect_jobs.databases import DatabaseNotThere
from prefect_jobs.store import JobIndex, open_database


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that has not been made."""
    folder = tmp_path / "home"
    monkeypatch.setenv("PREFECT_JOBS_DATA_DIR", str(folder))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.delenv("PREFECT_JOBS_INDEX_URL", raising=False)
    return folder


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["prefect-jobs", "index", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize("command", ["status", "verify"])
def test_looking_makes_no_index(
    home: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, command) == 2
    assert "There is no job index at" in capsys.readouterr().err
    assert not home.exists()


def test_an_index_that_is_there_is_looked_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from prefect_jobs.settings import Settings

    async def make() -> None:
        async with open_database(Settings().index_database) as database:
            await JobIndex.open(database)

    asyncio.run(make())
    assert ended(monkeypatch, "status") == 0


async def test_a_database_of_somebody_else_gets_no_tables(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE other (id INTEGER)")
    connection.close()
    with pytest.raises(DatabaseNotThere):
        async with open_database(f"sqlite:///{file}", make=False):
            pass
    with sqlite3.connect(file) as connection:
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["other"]
    connection.close()
