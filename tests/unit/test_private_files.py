"""What is kept is the owner's alone, whatever was there before."""

import os
import stat
from pathlib import Path

import pytest

from prefect_jobs import private_files
from prefect_jobs.databases import DatabaseNotOpened, database_address, make_folder
from prefect_jobs.private_files import OpenToOthers, close_folder, kept_secret


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every change of a mode be refused, as of another user's files."""

    def refuse(_path: Path, _mode: int) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)


def test_a_folder_that_was_open_is_closed_with_everything_in_it(tmp_path: Path) -> None:
    """A data folder that somebody had made stayed 0755, and the databases in it were 0644."""
    folder, outside = tmp_path / "data", tmp_path / "outside"
    (folder / "exports" / "deep").mkdir(parents=True)
    for file in ("index.db", "index.db-wal", "prefect.db", "exports/deep/one.csv"):
        (folder / file).touch()
        (folder / file).chmod(0o666)
    outside.touch()
    outside.chmod(0o644)
    (folder / "link").symlink_to(outside)
    for place in (folder, folder / "exports", folder / "exports" / "deep"):
        place.chmod(0o755)

    close_folder(folder)

    assert mode(folder) == mode(folder / "exports") == mode(folder / "exports" / "deep") == 0o700
    assert mode(folder / "index.db") == mode(folder / "index.db-wal") == mode(folder / "prefect.db") == 0o600
    assert mode(folder / "exports" / "deep" / "one.csv") == 0o600
    assert mode(outside) == 0o644  # a link says nothing of whose it is


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    close_folder(tmp_path / "none")

    assert list(tmp_path.iterdir()) == []


def test_another_users_folder_that_everybody_may_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    somebody_elses(monkeypatch)

    with pytest.raises(OpenToOthers, match="belongs to another one"):
        close_folder(tmp_path)


def test_another_users_folder_that_a_group_shares_is_shared_on_purpose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o770)
    somebody_elses(monkeypatch)

    close_folder(tmp_path)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_database_is_its_owners_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_folder(database_address(f"sqlite:///{tmp_path}/kept/index.db", "sync"))
    finally:
        os.umask(before)

    assert mode(tmp_path / "kept") == 0o700
    assert mode(tmp_path / "kept" / "index.db") == 0o600


def test_a_database_of_an_earlier_release_is_closed_when_it_is_opened(tmp_path: Path) -> None:
    for name in ("events.db", "events.db-wal", "events.db-shm"):
        (tmp_path / name).write_bytes(b"kept")
        (tmp_path / name).chmod(0o644)

    make_folder(database_address(f"sqlite:///{tmp_path}/events.db", "sync"))

    assert {mode(file) for file in tmp_path.iterdir()} == {0o600}
    assert (tmp_path / "events.db").read_bytes() == b"kept"


def test_another_users_open_database_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.db").touch(0o644)
    somebody_elses(monkeypatch)

    with pytest.raises(DatabaseNotOpened, match="open to other users"):
        make_folder(database_address(f"sqlite:///{tmp_path}/index.db", "sync"))


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    made = kept_secret(file, prefix="prefect-jobs:")

    assert made.startswith("prefect-jobs:")
    assert len(made) > 40
    assert kept_secret(file) == made
    assert mode(file) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_secret_that_was_open_is_closed_and_an_empty_file_is_none(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("kept\n")
    file.chmod(0o644)
    assert kept_secret(file) == "kept"
    assert mode(file) == 0o600

    file.write_text("\n")
    assert len(kept_secret(file)) > 30


def test_nothing_half_written_stays_of_a_secret_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_files.Path, "rename", full)
    with pytest.raises(OSError, match="No space"):
        kept_secret(tmp_path / "secret")

    assert list(tmp_path.iterdir()) == []
