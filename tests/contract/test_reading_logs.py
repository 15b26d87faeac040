"""Contract 6.2, 9 and 16.5: a job's log over HTTP and over the socket."""

import json
import re
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import httpx
import psutil
import pytest
from prefect.states import Completed
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.contract.runs import Runs
from tests.stack import Stack, eventually

BURST = 5000
LOG_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
SOCKET_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")


@contextmanager
def viewer(stack: Stack, job_id: str, *, after: int | None = None, **options: Any) -> Generator[ClientConnection]:
    query = "" if after is None else f"?after={after}"
    url = stack.api_url.replace("http", "ws", 1) + f"/ws/jobs/{job_id}/logs{query}"
    # A viewer that leaves without reading to the end must not wait for the rest.
    socket = connect(url, close_timeout=0.1, **options)
    with socket:
        yield socket


def frames(socket: ClientConnection, count: int, kind: str = "log") -> list[dict[str, Any]]:
    """The next ``count`` frames of one kind."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        frame = json.loads(socket.recv(timeout=60))
        if frame["type"] == kind:
            found.append(frame)
    return found


def seqs(lines: list[dict[str, Any]]) -> list[int]:
    return [line["data"]["seq"] for line in lines]


def messages(count: int, start: int = 0) -> list[str]:
    return [f"line {number:06}" for number in range(start, start + count)]


def test_a_log_line_has_exactly_the_documented_fields(api: httpx.Client, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, ["hello"], level=30)
    answer = api.get(f"/api/jobs/{run_id}/logs").json()
    assert (answer["job_id"], answer["total"], answer["has_more"]) == (run_id, 1, False)
    [line] = answer["logs"]
    assert set(line) == {"timestamp", "level", "message", "context", "attempt_number", "seq", "id"}
    assert (line["level"], line["message"], line["context"], line["attempt_number"], line["seq"]) == (
        "WARNING",
        "hello",
        None,
        1,
        1,
    )
    assert LOG_TIME.fullmatch(line["timestamp"])


def test_a_burst_is_shown_whole_once_and_in_order(api: httpx.Client, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, messages(BURST))
    eventually(lambda: api.get(f"/api/jobs/{run_id}/logs", params={"limit": 1}).json()["complete"], what="a copy")
    answer = api.get(f"/api/jobs/{run_id}/logs", params={"limit": 10_000}).json()
    assert [line["message"] for line in answer["logs"]] == messages(BURST)
    assert [line["seq"] for line in answer["logs"]] == list(range(1, BURST + 1))


def test_the_log_is_read_in_pages_by_after_without_a_gap(api: httpx.Client, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, messages(1000))
    seen: list[str] = []
    after = 0
    while True:
        page = api.get(f"/api/jobs/{run_id}/logs", params={"after": after, "limit": 300}).json()
        seen += [line["message"] for line in page["logs"]]
        if not page["has_more"]:
            break
        after = max(line["seq"] for line in page["logs"])
    assert seen == messages(1000)


@pytest.mark.parametrize(("limit", "has_more"), [(9, True), (10, False), (11, False)])
def test_more_is_said_exactly_when_there_is_more(api: httpx.Client, runs: Runs, limit: int, has_more: bool) -> None:
    run_id = runs.started()
    runs.log(run_id, messages(10))
    answer = api.get(f"/api/jobs/{run_id}/logs", params={"limit": limit}).json()
    assert (answer["total"], answer["has_more"]) == (min(limit, 10), has_more)


def test_level_is_a_minimum_severity_in_any_case_and_unknown_words_filter_nothing(
    api: httpx.Client, runs: Runs
) -> None:
    run_id = runs.started()
    for level in (10, 20, 30, 40, 50):
        runs.log(run_id, [str(level)], level=level)

    def shown(level: str) -> list[str]:
        return [line["level"] for line in api.get(f"/api/jobs/{run_id}/logs", params={"level": level}).json()["logs"]]

    assert shown("warning") == ["WARNING", "ERROR", "ERROR"]
    assert shown("ERROR") == ["ERROR", "ERROR"]
    assert shown("DEBUG") == shown("loud") == ["DEBUG", "INFO", "WARNING", "ERROR", "ERROR"]


def test_since_is_inclusive_and_a_time_without_an_offset_is_utc(api: httpx.Client, runs: Runs) -> None:
    run_id = runs.started()
    start = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
    runs.log(run_id, messages(3), at=start)
    for text in ("2026-03-04T08:15:00.000100", "2026-03-04T08:15:00.000100Z", "2026-03-04T09:15:00.000100+01:00"):
        found = api.get(f"/api/jobs/{run_id}/logs", params={"since": text}).json()["logs"]
        assert [line["message"] for line in found] == messages(2, 1)
    assert api.get(f"/api/jobs/{run_id}/logs", params={"since": "yesterday"}).status_code == 422


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "after=-1", "after=x", "since=x"])
def test_a_query_out_of_its_limits_is_a_validation_error(api: httpx.Client, runs: Runs, query: str) -> None:
    assert api.get(f"/api/jobs/{runs.new()}/logs?{query}").status_code == 422


def test_the_log_of_an_unknown_job_is_not_found(api: httpx.Client) -> None:
    answer = api.get("/api/jobs/nope/logs")
    assert (answer.status_code, answer.json()["detail"]) == (404, "No job found with ID: nope")


def test_a_late_line_takes_its_place_by_time_and_keeps_a_number_of_its_own(api: httpx.Client, runs: Runs) -> None:
    run_id = runs.started()
    start = datetime.now(UTC)
    runs.log(run_id, ["first"], at=start)
    runs.log(run_id, ["third"], at=start + timedelta(seconds=2))
    api.get(f"/api/jobs/{run_id}/logs")
    runs.log(run_id, ["second"], at=start + timedelta(seconds=1))
    found = api.get(f"/api/jobs/{run_id}/logs").json()["logs"]
    assert [(line["message"], line["seq"]) for line in found] == [("first", 1), ("second", 3), ("third", 2)]


def test_the_newest_page_and_those_in_front_of_it(api: httpx.Client, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, messages(300))
    path = f"/api/jobs/{run_id}/logs"
    eventually(lambda: api.get(path, params={"limit": 1}).json()["total_lines"] == 300, what="all lines")
    newest = api.get(path, params={"order": "DESC", "limit": 100}).json()
    assert [line["message"] for line in newest["logs"]] == messages(300)[:-101:-1]
    assert newest["has_more"]
    query = {"order": "desc", "limit": 200, "before": newest["logs"][-1]["seq"]}
    rest = api.get(path, params=query).json()
    assert [line["message"] for line in rest["logs"]] == messages(200)[::-1]
    assert not rest["has_more"]


def test_the_whole_log_is_counted_whatever_was_asked(api: httpx.Client, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, ["Disk full", "disk nearly full"], level=40)
    runs.log(run_id, ["calm"])
    answer = api.get(f"/api/jobs/{run_id}/logs", params={"contains": "DISK F"}).json()
    assert [line["message"] for line in answer["logs"]] == ["Disk full"]
    assert (answer["total"], answer["total_lines"], answer["complete"]) == (1, 3, True)
    assert answer["by_level"] == {"DEBUG": 0, "INFO": 1, "WARNING": 0, "ERROR": 2}
    assert LOG_TIME.fullmatch(answer["as_of"])


def test_a_log_is_downloaded_as_text_as_json_lines_or_as_csv_without_formulas(api: httpx.Client, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, ["=1+1", 'he said "hi"'], level=30)
    path = f"/api/jobs/{run_id}/logs/download"
    text = api.get(path)
    assert text.headers["content-disposition"] == f'attachment; filename="contract-{run_id}.txt"'
    assert [line.split(" ", 1)[1] for line in text.text.splitlines()] == ["WARNING =1+1", 'WARNING he said "hi"']
    objects = [json.loads(line) for line in api.get(path, params={"format": "jsonl"}).text.splitlines()]
    assert objects == api.get(f"/api/jobs/{run_id}/logs").json()["logs"]
    rows = api.get(path, params={"format": "csv"}).text.split("\r\n")
    assert rows[0] == "Timestamp,Level,Attempt,Message"
    assert rows[1].endswith(",WARNING,1,'=1+1")
    assert rows[2].endswith(',WARNING,1,"he said ""hi"""')
    assert api.get(path, params={"level": "ERROR"}).text == ""
    assert api.get(path, params={"format": "exe"}).status_code == 422
    assert api.get("/api/jobs/nope/logs/download").status_code == 404


# -- the socket -----------------------------------------------------------------------------------------------------


def test_a_viewer_gets_what_is_stored_then_what_comes(stack: Stack, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, messages(300))
    with viewer(stack, run_id) as socket:
        stored = frames(socket, 300)
        runs.log(run_id, messages(300, 300))
        live = frames(socket, 300)
    assert [line["data"]["message"] for line in stored + live] == messages(600)
    assert seqs(stored + live) == list(range(1, 601))
    assert SOCKET_TIME.fullmatch(stored[0]["data"]["timestamp"])


def test_every_viewer_of_a_burst_gets_each_line_once_also_from_the_middle(stack: Stack, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, messages(BURST // 2))

    def view(after: int) -> list[int]:
        with viewer(stack, run_id, after=after) as socket:
            return seqs(frames(socket, BURST - after))

    places = (0, 0, 1000, BURST // 2)
    with ThreadPoolExecutor(4) as pool:
        viewers = [pool.submit(view, after) for after in places]
        runs.log(run_id, messages(BURST // 2, BURST // 2))
        assert [one.result(timeout=120) for one in viewers] == [list(range(after + 1, BURST + 1)) for after in places]


def test_twenty_viewers_of_a_burst_get_each_line_once_while_one_takes_its_time(stack: Stack, runs: Runs) -> None:
    run_id = runs.started()
    others = Barrier(20)

    def view(number: int) -> list[int]:
        with viewer(stack, run_id, max_queue=1) as socket:
            slow = number == 0
            if slow:
                # It takes nothing at all until every other one has every line.
                others.wait(timeout=120)
            seen = seqs(frames(socket, BURST))
            if not slow:
                others.wait(timeout=120)
            return seen

    with ThreadPoolExecutor(20) as pool:
        viewers = [pool.submit(view, number) for number in range(20)]
        runs.log(run_id, messages(BURST))
        assert all(one.result(timeout=150) == list(range(1, BURST + 1)) for one in viewers)


def test_thirty_watched_logs_are_no_thirty_sockets_at_prefect(stack: Stack, runs: Runs) -> None:
    """An embedded server admits a hundred requests, and each socket of its log stream was one."""
    port = int(stack.prefect_api_url.rsplit(":", 1)[1].split("/")[0])
    serve = psutil.Process(stack.pid_of("serve"))
    run_ids = [runs.started() for _ in range(30)]
    with ExitStack() as stacked:
        sockets = {run_id: stacked.enter_context(viewer(stack, run_id)) for run_id in run_ids}
        for run_id, socket in sockets.items():
            runs.log(run_id, [f"the line of {run_id}"])
            assert frames(socket, 1)[0]["data"]["message"] == f"the line of {run_id}"
        open_ones = [one for one in serve.net_connections("tcp") if one.raddr and one.raddr.port == port]
        # One for events, one for logs (two while it is renewed), and what the client keeps for its questions.
        assert len([one for one in open_ones if one.status == "ESTABLISHED"]) < 25


def test_a_viewer_who_leaves_and_comes_back_goes_on_where_it_stood(stack: Stack, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, messages(1000))
    with viewer(stack, run_id) as socket:
        seen = seqs(frames(socket, 400))
    runs.log(run_id, messages(100, 1000))
    with viewer(stack, run_id, after=seen[-1]) as socket:
        seen += seqs(frames(socket, 700))
    assert seen == list(range(1, 1101))


def test_a_stored_line_is_sent_with_the_same_bytes_each_time(stack: Stack, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, ["once"])
    with viewer(stack, run_id) as first, viewer(stack, run_id) as second:
        assert frames(first, 1) == frames(second, 1)


def test_after_the_replay_the_position_is_told(stack: Stack, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, messages(10))
    with viewer(stack, run_id) as socket:
        frames(socket, 10)
        position = frames(socket, 1, "position")[0]
        while position["seq"] < 10:
            position = frames(socket, 1, "position")[0]
    as_of = position.pop("as_of")
    assert position == {"type": "position", "seq": 10, "total_lines": 10, "complete": False}
    assert as_of is None or LOG_TIME.fullmatch(as_of)


def test_a_job_that_does_not_exist_may_be_watched(stack: Stack) -> None:
    with viewer(stack, "no-such-job") as socket:
        assert frames(socket, 1, "position")[0]["total_lines"] == 0


def test_frames_are_answered_as_documented_and_errors_never_close(stack: Stack, runs: Runs) -> None:
    with viewer(stack, runs.new()) as socket:
        socket.send("ping")
        assert frames(socket, 1, "pong") == [{"type": "pong"}]
        for text, code in (("not-json", "invalid_json"), ("[]", "invalid_message_format")):
            socket.send(text)
            assert frames(socket, 1, "error")[0]["error"] == code
        socket.send('{"type":"dance"}')
        assert frames(socket, 1, "error")[0]["error"] == "unknown_message_type"
        socket.send(b"\x00\xff")
        assert frames(socket, 1, "error")[0]["error"] == "invalid_json"
        socket.send('{"type":"ping"}')
        assert frames(socket, 1, "pong") == [{"type": "pong"}]


def test_a_socket_from_another_site_is_closed_with_1008(stack: Stack, runs: Runs) -> None:
    with (
        viewer(stack, runs.new(), origin="http://evil.example") as socket,
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def test_hostile_lines_arrive_as_the_text_they_are(api: httpx.Client, stack: Stack, runs: Runs) -> None:
    hostile = ["</script><script>alert(1)</script>", "\x1b[31mred\x1b[0m", "a\r\nb\tc", "\u202eabc", '{"type":"log"}']
    run_id = runs.started()
    runs.log(run_id, hostile)
    assert [line["message"] for line in api.get(f"/api/jobs/{run_id}/logs").json()["logs"]] == hostile
    with viewer(stack, run_id) as socket:
        assert [line["data"]["message"] for line in frames(socket, len(hostile))] == hostile


def test_a_log_becomes_complete_once_its_job_is_long_over(api: httpx.Client, stack: Stack, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, ["last words"])
    runs.move(run_id, Completed())
    eventually(lambda: api.get(f"/api/jobs/{run_id}").json()["status"] == "completed", what="the job ended")
    with viewer(stack, run_id) as socket:
        frames(socket, 1)
        while not frames(socket, 1, "position")[0]["complete"]:
            pass
