"""The command line says what it wants in one sentence, and helps without loading what it runs."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from prefect_jobs import __version__
from prefect_jobs.cli import main
from prefect_jobs.cli.preflight import only_one, require_free_port, require_writable_folder
from prefect_jobs.cli.refusals import Refusal
from prefect_jobs.notify import ReadyNotice
from tests.stack import clean_environment, free_port

COMMANDS = ("up", "serve", "work", "events")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process: exit code, output, error output."""

    def _run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["prefect-jobs", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return _run


Run = Callable[..., tuple[int, str, str]]


def test_help_names_every_command(run: Run) -> None:
    code, output, _ = run("--help")

    assert code == 0
    assert all(command in output for command in COMMANDS)


@pytest.mark.parametrize("command", [("up",), ("serve",), ("work",), ("events", "sample")], ids=" ".join)
def test_every_command_explains_itself_and_each_of_its_options(run: Run, command: tuple[str, ...]) -> None:
    code, output, _ = run(*command, "--help")

    assert code == 0
    options = [line.split() for line in output.splitlines() if line.strip("│ ").startswith("--")]
    assert options
    assert all(len(words) > 4 for words in options), "an option without an explanation"


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version")[:2] == (0, f"prefect-jobs {__version__}\n")


def test_help_loads_neither_prefect_nor_panel_nor_a_database() -> None:
    script = """
import sys
from prefect_jobs.cli import main
sys.argv = ["prefect-jobs", "up", "--help"]
try:
    main()
except SystemExit:
    heavy = {"prefect", "panel", "fastapi", "sqlalchemy"} & set(sys.modules)
    sys.exit(f"loaded {heavy}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_taken_port_is_one_sentence_and_exit_code_2(run: Run, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        code, output, error = run("up", f"--port={port}", f"--data-dir={tmp_path}")

    assert (code, output) == (2, "")
    assert error == f"prefect-jobs: Cannot listen on 127.0.0.1 port {port}: Address already in use.\n"


def test_a_taken_prefect_port_is_told_as_well(run: Run, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        code, _, error = run("up", f"--port={free_port()}", f"--prefect-port={port}", f"--data-dir={tmp_path}")

    assert code == 2
    assert f"port {port}" in error


def test_an_unwritable_data_folder_is_one_sentence_and_exit_code_2(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    code, _, error = run("up", f"--data-dir={file / 'data'}")

    assert code == 2
    assert error == f"prefect-jobs: Cannot write to the data folder {file / 'data'}: Not a directory.\n"


def test_a_setting_without_meaning_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PREFECT_JOBS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PREFECT_JOBS_PORT", "many")

    code, _, error = run("serve")

    assert code == 2
    assert error.startswith("prefect-jobs: PREFECT_JOBS_PORT has no valid value: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "work"])
def test_without_a_prefect_server_the_way_out_is_told(command: str, tmp_path: Path) -> None:
    environment = {**clean_environment(), "PREFECT_HOME": str(tmp_path), "PREFECT_JOBS_DATA_DIR": str(tmp_path)}
    if command == "work":
        environment["PREFECT_API_URL"] = "http://127.0.0.1:9/api"  # nobody listens there

    done = _command(command, environment=environment)

    expected = "There is no Prefect server to work with" if command == "serve" else "Prefect does not answer at"
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("nonsense", "The event store cannot be opened: the database URL cannot be read"),
        ("postgresql://me:s3cret@127.0.0.1:9/none", "failed: Connection refused"),
        ("postgresql://me:pass@s3cret@127.0.0.1/none", "cannot be read (an @ in its password is written as %40)"),
        ("postgresql://127.0.0.1:s3cret/none", "the database URL cannot be read"),
        ("mysql://me:s3cret@127.0.0.1/none", "a database of the kind 'mysql' is not supported"),
        ("sqlite:////proc/none/events.db", "The event store cannot be opened: [Errno 2]"),
    ],
    ids=["no URL", "no server", "a password that is not escaped", "no port", "another kind", "no folder"],
)
def test_a_database_that_does_not_open_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str, complaint: str
) -> None:
    monkeypatch.setenv("PREFECT_JOBS_EVENTS_URL", url)

    code, _, error = run("events", "sample", "--count=1")

    assert code == 2
    assert complaint in error
    assert error.count("\n") == 1
    assert "s3c" not in error


def test_a_missing_dependency_is_named(tmp_path: Path) -> None:
    """A half-installed environment is common where packages are installed one by one."""
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "uvicorn.py").write_text("raise ModuleNotFoundError('no', name='uvicorn')")

    environment = {**clean_environment(), "PYTHONPATH": str(hide), "PREFECT_JOBS_DATA_DIR": str(tmp_path)}
    done = _command("serve", environment=environment)

    assert done.returncode == 2, done.stderr
    assert "'uvicorn' is missing" in done.stderr
    assert "Traceback" not in done.stderr


def _command(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prefect_jobs.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_one_data_folder_has_one_up(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(Refusal, match="already running"), only_one(tmp_path):
        pass

    with only_one(tmp_path):
        pass  # given back


def test_a_data_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    require_writable_folder(tmp_path / "deep" / "data")

    assert (tmp_path / "deep" / "data").stat().st_mode & 0o777 == 0o700


def test_a_port_that_was_closed_a_moment_ago_is_free() -> None:
    """TIME_WAIT would refuse a restart for a minute."""
    with socket.socket() as server, socket.socket() as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        accepted, _ = server.accept()
        accepted.close()
        port = server.getsockname()[1]

    require_free_port("127.0.0.1", port)


def test_a_host_that_is_none_is_refused() -> None:
    with pytest.raises(Refusal, match="Cannot listen on nowhere"):
        require_free_port("nowhere.invalid", 8000)


def test_readiness_is_told_to_the_supervisor_and_its_address_kept_from_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        notice = ReadyNotice()
        assert "NOTIFY_SOCKET" not in os.environ
        notice.send()

        assert link.recv(100) == b"READY=1"


def test_without_a_supervisor_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    ReadyNotice().send()
