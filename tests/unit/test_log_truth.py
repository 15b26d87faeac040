"""What is said of a log is true as of the time that is said with it, whoever says it."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from prefect_jobs.api.app import create_app
from prefect_jobs.feed import Pace
from prefect_jobs.gateway.fake import FakePrefect, completed, running
from prefect_jobs.log_tail import TailPace
from prefect_jobs.settings import Settings
from tests.stack import eventually
from tests.unit.serving import Client, opened_socket

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import starlette.testclient

LONG_AGO = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
PACE = Pace(retry=0.05, reconcile=0.1, probe=0.1)
TAIL_PACE = TailPace(poll=0.05, poll_without_socket=0.05, prove_every=0.05)


@contextmanager
def adapter(folder: Path, prefect: FakePrefect) -> Generator[Client]:
    app = create_app(Settings(data_dir=folder), prefect.connect(), pace=PACE, tail_pace=TAIL_PACE)
    opened: Any = starlette.testclient.TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    with opened as client:
        eventually(lambda: client.get("/readyz").is_success, what="readiness")
        yield cast("Client", client)


def log_of(client: Client, job_id: str) -> dict[str, Any]:
    return client.get(f"/api/jobs/{job_id}/logs").json()


def as_of(body: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(body["as_of"])


def test_the_log_of_a_running_job_is_as_old_as_prefects_last_answer(tmp_path: Path) -> None:
    """A log box said that it had every line, ten minutes after Prefect had gone."""
    prefect = FakePrefect([job := running()])
    prefect.log(job.id, "known")
    with adapter(tmp_path, prefect) as client:
        before = datetime.now(UTC)
        first = log_of(client, job.id)
        assert first["complete"] is True
        assert before <= as_of(first) <= datetime.now(UTC)

        prefect.go_down()
        prefect.log(job.id, "said meanwhile")
        away = datetime.now(UTC)
        for _ in range(3):
            answer = log_of(client, job.id)
            assert answer["complete"] is False
            assert as_of(answer) < away
            assert [line["message"] for line in answer["logs"]] == ["known"]

        prefect.come_back()
        again = eventually(lambda: body if (body := log_of(client, job.id))["complete"] else None)
        assert as_of(again) > away
        assert [line["message"] for line in again["logs"]] == ["known", "said meanwhile"]


def positions(socket: Any, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < count:
        frame = socket.receive_json()
        if frame["type"] == "position":
            found.append(frame)
    return found


def test_a_socket_says_as_of_when_its_lines_are_all_and_that_time_stands_while_prefect_is_away(tmp_path: Path) -> None:
    prefect = FakePrefect([job := running()])
    prefect.log(job.id, "known")
    with adapter(tmp_path, prefect) as client:
        client.app.state.adapter.sockets.pace = type(client.app.state.adapter.sockets.pace)(position_every=0.1)
        with opened_socket(client, f"/ws/jobs/{job.id}/logs") as socket:
            while positions(socket, 1)[0]["as_of"] is None:
                pass
            first, second = positions(socket, 1)[0], positions(socket, 5)[-1]
            assert as_of(second) > as_of(first)
            assert {first["complete"], second["complete"]} == {False}  # it still grows

            prefect.go_down()
            positions(socket, 3)
            told = positions(socket, 5)
            assert len({one["as_of"] for one in told}) == 1
            assert {one["complete"] for one in told} == {False}


def test_the_settled_log_of_an_ended_job_stays_complete_without_prefect(tmp_path: Path) -> None:
    prefect = FakePrefect([job := completed(created_at=LONG_AGO)])
    prefect.log(job.id, "last words", timestamp=LONG_AGO)
    with adapter(tmp_path, prefect) as client:
        settled = eventually(lambda: body if (body := log_of(client, job.id))["complete"] else None)
        prefect.go_down()
        assert log_of(client, job.id) == settled
        with opened_socket(client, f"/ws/jobs/{job.id}/logs") as socket:
            position = positions(socket, 1)[0]
            assert (position["complete"], position["as_of"]) == (True, settled["as_of"])
        file = client.get(f"/api/jobs/{job.id}/logs/download")
        assert file.headers["x-log-complete"] == "true"
        assert "incomplete" not in file.headers["content-disposition"]


def test_a_replica_without_prefect_does_not_call_a_log_complete_because_its_copy_equals_itself(tmp_path: Path) -> None:
    prefect = FakePrefect([job := running()])
    prefect.log(job.id, "known")
    other_way = prefect.other_door()
    with adapter(tmp_path, prefect) as holder, adapter(tmp_path, other_way) as follower:
        assert log_of(holder, job.id)["complete"]
        other_way.go_down()
        away = datetime.now(UTC)
        prefect.log(job.id, "said meanwhile")
        answer = log_of(follower, job.id)
        assert answer["complete"] is False
        assert as_of(answer) < away
        assert log_of(holder, job.id)["complete"] is True


def test_a_download_that_may_lack_lines_says_so_in_its_name_and_head(tmp_path: Path) -> None:
    """The file ended as if it were whole, while Prefect could not be asked."""
    prefect = FakePrefect([job := running()])
    prefect.log(job.id, "known")
    with adapter(tmp_path, prefect) as client:
        path = f"/api/jobs/{job.id}/logs/download"
        whole = client.get(path)
        assert whole.headers["x-log-complete"] == "true"
        assert "incomplete" not in whole.headers["content-disposition"]

        prefect.go_down()
        away = datetime.now(UTC)
        prefect.log(job.id, "said meanwhile")
        file = client.get(path)
        assert file.headers["x-log-complete"] == "false"
        assert file.headers["content-disposition"].endswith('-incomplete.txt"')
        assert datetime.fromisoformat(file.headers["x-log-as-of"]) < away
        assert file.text.endswith("known\n")


def test_a_log_that_grows_while_it_is_downloaded_is_whole_up_to_the_beginning(tmp_path: Path) -> None:
    prefect = FakePrefect([job := running()])
    for number in range(1000):
        prefect.log(job.id, f"line {number}", timestamp=datetime.now(UTC) - timedelta(seconds=1))
    with adapter(tmp_path, prefect) as client:
        assert client.get(f"/api/jobs/{job.id}/logs/download").text.count("\n") == 1000
