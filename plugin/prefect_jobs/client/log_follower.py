"""Following a job's log to its end: each line once, also when the connection breaks on the way.

A server that numbers its lines is asked to go on behind the last one. One of the bare contract replays nothing, so
what it has stored is read after each connection, and lines that were seen are dropped by their text.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Any, Protocol, Self, cast

from prefect_jobs.client.errors import NotReachable, ServerBusy, WaitedTooLong
from prefect_jobs.client.pace import Pace
from prefect_jobs.client.values import Job, LogLine, read

REMEMBERED = 20_000  # lines of a server without numbers
PONG = '{"type":"pong"}'


class Socket(Protocol):
    """An open log socket."""

    def receive(self, timeout: float) -> str | None:
        """The next frame, or None when there was none for so many seconds."""
        ...

    def send(self, text: str) -> None:
        """Send a frame."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class SeenLines:
    """Which lines were given out already: by their number, else by what they say."""

    def __init__(self, after: int) -> None:
        self.seq = after
        self._texts: OrderedDict[tuple[object, str, str], None] = OrderedDict()

    def is_new(self, line: LogLine) -> bool:
        """Whether this line was not given out before; from now on it was."""
        if line.seq is not None:
            new = line.seq > self.seq
            self.seq = max(self.seq, line.seq)
            return new
        key = (line.timestamp, line.level, line.message)
        new = key not in self._texts
        self._texts[key] = None
        if len(self._texts) > REMEMBERED:
            self._texts.popitem(last=False)
        return new


class LogFollower:
    """One follower of one job's log.

    Args:
        read_job: asks for the job.
        read_stored: gives every stored line.
        open_socket: opens a socket that begins behind the line with this number.
        after: the number of the last line that is known already.
        pace: the client's patience.
        timeout: seconds until ``WaitedTooLong``; None follows to the end.
    """

    def __init__(
        self,
        *,
        read_job: Callable[[], Job],
        read_stored: Callable[[], Iterator[LogLine]],
        open_socket: Callable[[int], Socket],
        after: int,
        pace: Pace,
        timeout: float | None = None,
    ) -> None:
        self._read_job = read_job
        self._read_stored = read_stored
        self._open_socket = open_socket
        self._pace = pace
        self._timeout = timeout
        self._deadline = None if timeout is None else pace.clock() + timeout
        self._seen = SeenLines(after)
        self._failures = 0
        self._quiet_since = pace.clock()

    def lines(self) -> Iterator[LogLine]:
        """Every line, until the job has ended and its log is complete.

        Raises:
            WaitedTooLong: the time given has passed.
            ClientError: there is no such job, or the server cannot be reached any more.
        """
        while True:
            try:
                job = self._read_job()
                if job.ended and job.version is None:
                    yield from filter(self._seen.is_new, self._read_stored())
                    return
                with self._open_socket(self._seen.seq) as socket:
                    finished = yield from self._session(socket, job)
                if finished:
                    return
            except (NotReachable, ServerBusy):
                self._failures += 1
                pause = self._pace.before_reconnect(self._failures)
                if pause is None:
                    raise
                self._pace.sleep(pause)

    def _session(self, socket: Socket, job: Job) -> Generator[LogLine, None, bool]:
        """What one connection brings; whether that was all."""
        if job.version is None:
            yield from filter(self._seen.is_new, self._read_stored())
        while True:
            text = socket.receive(self._tick(job))
            frame = _frame(text)
            if text is not None:
                self._failures = 0
            match frame.get("type"):
                case "log":
                    line = read(LogLine, frame.get("data"))
                    self._quiet_since = self._pace.clock()
                    if self._seen.is_new(line):
                        yield line
                    continue
                case "ping":
                    socket.send(PONG)
                    continue
                case "position":
                    # Said before the job had ended, `complete` promises nothing of the lines that came after.
                    if job.ended and frame.get("complete") is True:
                        return True
                case _ if text is not None:
                    continue
                case _:
                    pass
            was_ended, job = job.ended, self._read_job()
            if job.ended and job.version is None:
                yield from filter(self._seen.is_new, self._read_stored())
                return True
            if job.ended and not was_ended:
                self._quiet_since = self._pace.clock()
            if job.ended and self._pace.clock() - self._quiet_since >= self._pace.log_settles:
                return True

    def _tick(self, job: Job) -> float:
        if self._deadline is None:
            return self._pace.log_look
        left = self._deadline - self._pace.clock()
        if left <= 0:
            raise WaitedTooLong(job, self._timeout or 0)
        return min(left, self._pace.log_look)


def _frame(text: str | None) -> dict[str, Any]:
    try:
        frame = json.loads(text or "null")
    except ValueError:
        return {}
    return cast("dict[str, Any]", frame) if isinstance(frame, dict) else {}
