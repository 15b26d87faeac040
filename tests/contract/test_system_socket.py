"""Contract 10: what is told of every job on `/ws/system`, in both families."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from prefect.states import Cancelled, Completed, Failed
from websockets.sync.client import ClientConnection, connect

from tests.contract.runs import Runs
from tests.stack import Stack


@contextmanager
def listener(stack: Stack) -> Generator[ClientConnection]:
    socket = connect(stack.api_url.replace("http", "ws", 1) + "/ws/system", close_timeout=0.1)
    with socket:
        yield socket


def told(socket: ClientConnection, run_id: str, *, until: str) -> list[dict[str, Any]]:
    """The frames about one job, up to the one of this type."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] != until:
        frame: dict[str, Any] = json.loads(socket.recv(timeout=30))
        about: dict[str, Any] = frame.get("data") or frame.get("payload") or {}
        if about.get("job_id") == run_id:
            found.append(frame)
    return found


def test_a_job_is_told_to_start_and_to_complete_from_the_first_frame_on(stack: Stack, runs: Runs) -> None:
    with listener(stack) as socket:
        run_id = runs.started()
        runs.move(run_id, Completed())
        frames = told(socket, run_id, until="job.completed")
    assert [frame["type"] for frame in frames if "rogress" not in frame["type"]] == [
        "job.started",
        "job_completed",
        "job.completed",
    ]
    assert set(frames[-1]) == {"type", "payload", "timestamp", "correlation_id", "channel"}
    assert set(frames[-1]["payload"]) == {"job_id", "job_type", "completed_at", "result", "duration_seconds"}


def test_a_failure_and_a_cancellation_are_told_in_both_families(stack: Stack, runs: Runs) -> None:
    with listener(stack) as socket:
        broken, stopped = runs.started(), runs.new()
        runs.move(broken, Failed(message="Flow run encountered an exception: ValueError: disk full"))
        failed, dotted = told(socket, broken, until="job.failed")[-2:]
        assert (failed["type"], failed["data"]["error"]) == ("job_failed", "ValueError: disk full")
        assert dotted["payload"]["error"] == "ValueError: disk full"
        runs.move(stopped, Cancelled())
        failed, dotted = told(socket, stopped, until="job.cancelled")[-2:]
        assert (failed["type"], failed["data"]["error"]) == ("job_failed", "Cancelled by user")
        assert set(dotted["payload"]) == {"job_id", "cancelled_at"}


def test_every_listener_hears_of_every_job_and_may_send_the_same_frames_as_on_the_log_socket(
    stack: Stack, runs: Runs
) -> None:
    with listener(stack) as first, listener(stack) as second:
        first.send("ping")
        while json.loads(first.recv(timeout=30)) != {"type": "pong"}:
            pass
        run_id = runs.started()
        assert told(first, run_id, until="job.started") == told(second, run_id, until="job.started")
        runs.move(run_id, Completed())
