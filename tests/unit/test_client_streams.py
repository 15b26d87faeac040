"""Following with the client: no change lost when the feed breaks, a wait that ends, each log line once."""

import json
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Any

import httpx
import pytest

from prefect_jobs.client import (
    FeedReset,
    FeedStatus,
    JobChanged,
    JobDeleted,
    JobNotFound,
    NotReachable,
    Refused,
    WaitedTooLong,
)
from prefect_jobs.client.change_feed import ChangeFeed, read_events
from prefect_jobs.client.connection import Connection
from prefect_jobs.client.log_follower import PONG, LogFollower
from prefect_jobs.client.log_socket import socket_url
from prefect_jobs.client.pace import Pace
from prefect_jobs.client.values import LogLine
from tests.unit.jobs_server import Body, Clock, JobsServer, event


@pytest.fixture
def server() -> JobsServer:
    return JobsServer()


def status(version: int) -> bytes:
    return event("status", None, {"prefect": "up", "behind_seconds": 0.0, "version": version})


def job_event(body: Body) -> bytes:
    return event("job", body["version"], {key: value for key, value in body.items() if key != "result"})


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\u2029"])
def test_a_line_separator_in_a_message_ends_no_line_of_the_stream(separator: str) -> None:
    """httpx's own lines end there, and the rest of the event would be lost."""
    data = {"message": f"one{separator}two"}

    [found] = read_events([event("job", 7, data)])

    assert json.loads(found.data) == data


def test_events_arrive_whole_however_the_bytes_are_cut(server: JobsServer) -> None:
    stream = b": hello\r\nid: 7\r\nevent: job\r\ndata: {\r\ndata: }\r\n\r\nevent: cut"

    [found] = read_events(stream[at : at + 1] for at in range(len(stream)))

    assert (found.event, found.id, found.data) == ("job", "7", "{\n}")


def test_every_kind_of_change_has_its_own_value(server: JobsServer) -> None:
    body = server.put("a", "running")
    server.feeds.append(
        [
            status(5),
            job_event(body),
            event("deleted", 200, {"job_id": "b"}),
            event("new kind", 201, {}),
            event("reset", 9, {}),
        ]
    )

    changes = list(islice(server.client().changes(), 4))

    assert [type(change) for change in changes] == [FeedStatus, JobChanged, JobDeleted, FeedReset]
    assert isinstance(changes[1], JobChanged)
    assert changes[1].job.status == "running"


def asked_after(server: JobsServer) -> list[str | None]:
    return [request.url.params.get("after") for request in server.asked]


def test_a_broken_feed_goes_on_behind_the_last_change(server: JobsServer) -> None:
    body = server.put("a")
    server.feeds.append([status(100), job_event({**body, "version": 101}), httpx.ReadError("reset")])
    server.feeds.append([job_event({**body, "version": 101}), job_event({**body, "version": 102})])

    changes = list(islice(server.client().changes(), 3))

    assert [getattr(change, "version", None) for change in changes] == [100, 101, 102]
    assert asked_after(server) == [None, "101"]


def test_a_feed_that_breaks_before_its_first_change_goes_on_where_it_began(server: JobsServer) -> None:
    server.feeds.append([status(100)])
    server.feeds.append([job_event({**server.put("a"), "version": 101})])

    list(islice(server.client().changes(), 2))

    assert asked_after(server) == [None, "100"]


def test_after_a_reset_the_feed_counts_from_its_new_version(server: JobsServer) -> None:
    body = server.put("a")
    server.feeds.append([event("reset", 3, {}), job_event({**body, "version": 4})])
    server.feeds.append([job_event({**body, "version": 5})])

    changes = list(islice(server.client().changes(after=900), 3))

    assert [getattr(change, "version", None) for change in changes] == [3, 4, 5]
    assert asked_after(server) == ["900", "4"]


def test_a_feed_that_stays_away_ends_after_five_more_tries(server: JobsServer) -> None:
    server.planned.extend([httpx.ConnectError("refused")] * 6)

    with pytest.raises(NotReachable):
        list(server.client().changes())

    assert [
        round(pause / 1.25) <= wait <= pause * 1.25
        for pause, wait in zip((1, 2, 4, 8, 16), server.clock.slept, strict=True)
    ]
    assert len(server.asked) == 6


def test_a_feed_whose_client_is_closed_while_it_connects_again_ends_without_a_word(
    server: JobsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread reads the feed. The one who waited was interrupted and closed both, just after the thread had looked
    whether it should go on: httpx then raises a bare RuntimeError, which ended the thread with a traceback."""
    connection = server.client()._connection  # pyright: ignore[reportPrivateUsage]
    feed, stream = ChangeFeed(connection), connection.stream

    def closed_meanwhile(*asked: Any, **options: Any) -> Any:
        feed.close()
        connection.close()
        return stream(*asked, **options)

    monkeypatch.setattr(connection, "stream", closed_meanwhile)

    assert list(feed) == []


def test_a_server_without_a_feed_says_so_at_once() -> None:
    with pytest.raises(Refused):
        list(JobsServer(additive=False).client().changes())


def test_waiting_for_a_job_that_has_ended_asks_once(server: JobsServer) -> None:
    server.put("a", "completed", result={"rows": 3})

    assert server.client().wait("a").result == {"rows": 3}
    assert server.paths() == ["GET /api/jobs/a"]


def test_waiting_is_told_by_the_feed_and_ends_with_the_result(server: JobsServer) -> None:
    begun = server.put("a", "running", progress=10)
    half = {**begun, "version": 200, "progress": 50}
    ended = {**begun, "version": 201, "status": "completed", "progress": 100, "result": {"rows": 3}}
    other = {**ended, "job_id": "b", "version": 199}

    def end(request: httpx.Request) -> None:
        if request.url.path.endswith("/changes"):
            server.jobs["a"] = ended

    server.before = end
    server.feeds.append([job_event(other), job_event(half), job_event(ended)])
    seen: list[int] = []

    job = server.client().wait("a", on_progress=lambda job: seen.append(job.progress))

    assert (job.status, job.result, seen) == ("completed", {"rows": 3}, [10, 50, 100])


def test_waiting_resumes_the_feed_from_the_version_it_has_read(server: JobsServer) -> None:
    body = server.put("a", "running")
    server.feeds.append([event("deleted", 500, {"job_id": "a"})])

    with pytest.raises(JobNotFound):
        server.client().wait("a")

    assert server.asked[1].url.params["after"] == str(body["version"])


def test_after_a_reset_the_job_is_asked_for(server: JobsServer) -> None:
    server.put("a", "running")

    def end(request: httpx.Request) -> None:
        if request.url.path.endswith("/changes"):
            server.put("a", "failed", error="disk full")

    server.before = end
    server.feeds.append([event("reset", 3, {})])

    assert server.client().wait("a").error == "disk full"


@pytest.mark.parametrize("additive", [True, False], ids=["the feed is refused", "there is no feed"])
def test_without_a_feed_waiting_asks_again_and_again(additive: bool) -> None:
    server = JobsServer(additive=additive)
    server.put("a", "running")
    asked = iter(range(100))

    def end(request: httpx.Request) -> None:
        if request.url.path == "/api/jobs/a" and next(asked) == 3:
            server.put("a", "completed")

    server.before = end

    assert server.client().wait("a").succeeded


def test_waiting_bears_a_server_that_is_away_for_a_while() -> None:
    server = JobsServer(additive=False)
    server.put("a", "running")
    away = deque([False, *[True] * 8])

    def go_away(request: httpx.Request) -> None:
        if away and away.popleft():
            raise httpx.ConnectError("refused", request=request)
        if not away:
            server.put("a", "completed")

    server.before = go_away

    assert server.client().wait("a").succeeded


def test_a_wait_that_takes_too_long_says_what_the_job_does() -> None:
    server = JobsServer(additive=False)
    server.put("a", "running")

    with pytest.raises(WaitedTooLong, match="Job a has not ended within 5 s: it is running") as caught:
        server.client().wait("a", timeout=5)

    assert isinstance(caught.value, TimeoutError)
    assert server.clock.now == pytest.approx(5)


def test_logs_are_read_page_by_page_by_their_number(server: JobsServer) -> None:
    server.put("a")
    server.log("a", *(f"line {number}" for number in range(2500)))

    lines = [line.message for line in server.client().logs("a")]

    assert lines == [f"line {number}" for number in range(2500)]
    assert asked_after(server) == ["0", "1000", "2000"]


@pytest.mark.parametrize("alike", [1, 2, 999])
def test_logs_without_numbers_are_read_by_time_each_line_once(alike: int) -> None:
    """Pages of the bare contract begin with the moment the last one ended with, and equal lines may be meant."""
    server = JobsServer(additive=False)
    server.put("a")
    server.log("a", *(f"line {number}" for number in range(1000 - alike)))
    server.log("a", *["same"] * (alike + 1), at=server_time())
    server.log("a", "last", at=server_time(later=True))

    lines = [line.message for line in server.client().logs("a")]

    assert lines == [*(f"line {number}" for number in range(1000 - alike)), *["same"] * (alike + 1), "last"]


def server_time(*, later: bool = False) -> Any:
    from datetime import timedelta

    from tests.unit.jobs_server import START

    return START + timedelta(seconds=60 if later else 30)


@pytest.mark.parametrize("additive", [True, False])
def test_the_tail_is_the_newest_lines_oldest_of_them_first(additive: bool) -> None:
    server = JobsServer(additive=additive)
    server.put("a")
    server.log("a", *(f"line {number}" for number in range(1500)))

    assert [line.message for line in server.client().log_tail("a", 2)] == ["line 1498", "line 1499"]


@pytest.mark.parametrize("count", [0, 10_001])
def test_a_tail_of_impossible_length_is_refused(server: JobsServer, count: int) -> None:
    with pytest.raises(ValueError, match="1 to 10,000 lines"):
        server.client().log_tail("a", count)


class ScriptedSocket:
    """A log socket that gives frames (None is silence) and then breaks; an action among them is carried out."""

    def __init__(self, frames: list[Any], clock: Clock) -> None:
        self._frames = deque(frames)
        self._clock = clock
        self.sent: list[str] = []

    def receive(self, timeout: float) -> str | None:
        while self._frames and callable(self._frames[0]):
            self._frames.popleft()()
        if not self._frames:
            raise NotReachable("The log socket was closed")
        frame = self._frames.popleft()
        if frame is None:
            self._clock.now += timeout
        return frame if frame is None or isinstance(frame, str) else json.dumps(frame)

    def send(self, text: str) -> None:
        self.sent.append(text)

    def __enter__(self) -> "ScriptedSocket":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        pass


class Followed:
    """A follower of job `a`, and what its sockets were asked for."""

    def __init__(self, server: JobsServer, *sockets: list[Any], timeout: float | None = None) -> None:
        self.server = server
        self.sockets = [ScriptedSocket(frames, server.clock) for frames in sockets]
        self.opened: list[int] = []
        client = server.client()

        def open_socket(seq: int) -> ScriptedSocket:
            self.opened.append(seq)
            if len(self.opened) > len(self.sockets):
                raise NotReachable("The log socket cannot be opened")
            return self.sockets[len(self.opened) - 1]

        self.follower = LogFollower(
            read_job=lambda: client.get("a"),
            read_stored=lambda: client.logs("a"),
            open_socket=open_socket,
            after=0,
            pace=Pace(sleep=server.clock.sleep, clock=server.clock.read),
            timeout=timeout,
        )

    def lines(self) -> Iterator[LogLine]:
        return self.follower.lines()

    def messages(self) -> list[str]:
        return [line.message for line in self.lines()]


def frame(line: Body) -> Body:
    return {"type": "log", "data": line}


def position(*, complete: bool) -> Body:
    return {"type": "position", "seq": 1, "total_lines": 1, "complete": complete}


def test_the_state_of_a_log_says_as_of_when_it_was_whole(server: JobsServer) -> None:
    server.put("a", "running")
    server.log("a", "one", "two")
    server.log_state = {"complete": False, "as_of": "2026-03-04T08:15:00.5Z"}

    state = server.client().log_state("a")

    assert (state.total_lines, state.complete) == (2, False)
    assert state.as_of == datetime(2026, 3, 4, 8, 15, 0, 500_000, tzinfo=UTC)


def test_following_ends_when_the_job_has_ended_and_its_log_is_complete(server: JobsServer) -> None:
    server.put("a", "completed")
    one, two = server.log("a", "one", "two")

    followed = Followed(server, [frame(one), position(complete=False), frame(two), position(complete=True), frame(one)])

    assert followed.messages() == ["one", "two"]


def test_a_complete_log_of_a_job_that_still_ran_is_not_the_end(server: JobsServer) -> None:
    """`complete` was said before the job ended: lines came after it."""
    server.put("a", "running")
    one, two = server.log("a", "one", "two")
    followed = Followed(
        server,
        [
            frame(one),
            lambda: server.put("a", "completed"),
            position(complete=True),
            frame(two),
            position(complete=True),
        ],
    )

    assert followed.messages() == ["one", "two"]


def test_a_broken_socket_is_opened_again_behind_the_last_line(server: JobsServer) -> None:
    server.put("a", "completed")
    one, two, three = server.log("a", "one", "two", "three")

    followed = Followed(server, [frame(one), frame(two)], [frame(two), frame(three), position(complete=True)])

    assert followed.messages() == ["one", "two", "three"]
    assert followed.opened == [0, 2]


def test_pings_are_answered_and_frames_of_other_kinds_ignored(server: JobsServer) -> None:
    server.put("a", "completed")
    followed = Followed(server, [{"type": "ping"}, "no JSON", "[]", {"type": "new"}, position(complete=True)])

    assert followed.messages() == []
    assert followed.sockets[0].sent == [PONG]


def test_a_socket_that_cannot_be_opened_is_tried_five_more_times(server: JobsServer) -> None:
    server.put("a", "running")
    followed = Followed(server)

    with pytest.raises(NotReachable):
        followed.messages()

    assert len(followed.opened) == 6


def test_the_log_of_an_ended_job_that_is_never_called_complete_ends_after_a_minute(server: JobsServer) -> None:
    """Prefect may be away, and then nobody can promise that all is there."""
    server.put("a", "completed")
    [line] = server.log("a", "one")

    assert Followed(server, [frame(line), *[None] * 100]).messages() == ["one"]
    assert server.clock.now == pytest.approx(60)


def test_an_unknown_job_is_not_followed(server: JobsServer) -> None:
    """The socket accepts any id, and would stay silent for ever."""
    with pytest.raises(JobNotFound):
        Followed(server).messages()


def test_following_too_long_says_so(server: JobsServer) -> None:
    server.put("a", "running")

    with pytest.raises(WaitedTooLong):
        Followed(server, [None] * 100, timeout=12).messages()

    assert server.clock.now == pytest.approx(12)


def test_a_server_without_numbers_or_replay_is_followed_by_its_stored_lines() -> None:
    server = JobsServer(additive=False)
    server.put("a", "running")
    stored, live = server.log("a", "stored", "live")
    server.lines["a"].pop()

    def end() -> None:
        server.lines["a"].append(live)
        server.log("a", "missed by the socket")
        server.put("a", "completed")

    followed = Followed(server, [frame(stored), frame(live), end, None])

    assert followed.messages() == ["stored", "live", "missed by the socket"]


def test_the_log_of_an_ended_job_needs_no_socket_where_nothing_is_replayed() -> None:
    server = JobsServer(additive=False)
    server.put("a", "completed")
    server.log("a", "one")
    followed = Followed(server)

    assert (followed.messages(), followed.opened) == (["one"], [])


@pytest.mark.parametrize(
    ("base", "expected"),
    [("http://jobs.test:81", "ws://jobs.test:81/ws/x"), ("https://jobs.test/prefix", "wss://jobs.test/prefix/ws/x")],
)
def test_the_socket_stands_beside_the_api(base: str, expected: str) -> None:
    assert socket_url(base, "/ws/x") == expected


def test_machines_in_between_are_left_out_only_on_this_machine() -> None:
    assert not Connection("http://127.0.0.1:8000", None, pace=Pace()).through_proxy
    assert Connection("https://jobs.test", None, pace=Pace()).through_proxy
