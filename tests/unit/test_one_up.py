"""A data folder is held by one `up`, and by whatever an `up` that was killed left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_jobs.cli import preflight
from prefect_jobs.cli.preflight import LOCK, only_one
from prefect_jobs.cli.refusals import Refusal
from prefect_jobs.processes import start_time


def test_a_second_up_is_refused_and_told_which_process_runs_the_first(tmp_path: Path) -> None:
    with (
        only_one(tmp_path),
        pytest.raises(Refusal, match=f"process {os.getpid()}.* already running on the data folder"),
        only_one(tmp_path),
    ):
        pass
    with only_one(tmp_path):
        assert (tmp_path / LOCK).stat().st_mode & 0o777 == 0o600


def test_what_a_killed_up_left_behind_holds_the_folder_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that was stuck worked on beside its successor, on the same database, for eleven minutes."""
    monkeypatch.setattr(preflight, "LEFT_BEHIND_ENDS_WITHIN", 0.0)
    with only_one(tmp_path) as lock:
        left = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    # Its `up` is gone: this process gave the lock up, and the file names one that never was.
    (tmp_path / LOCK).write_text(f"{os.getpid()} {(start_time(os.getpid()) or 0) + 1}\n")

    with pytest.raises(Refusal, match=rf"in use by process {left.pid} \(.*input.*\): end it first"), only_one(tmp_path):
        pass

    left.communicate(b"\n")
    with only_one(tmp_path):
        pass
