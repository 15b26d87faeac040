"""The change feed (contract 16.3) read so that no change is lost: a connection that breaks is opened again behind the
last change that arrived, and a reader that fell too far behind hears ``FeedReset``.
"""

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import httpx

from prefect_jobs.client.connection import Connection
from prefect_jobs.client.errors import ClientError, NotReachable, ServerBusy, ServerFailed
from prefect_jobs.client.values import Change, FeedReset, FeedStatus, Job, JobChanged, JobDeleted, read

CHANGES = "/api/jobs/changes"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event: its name, its data as text, and its id if it carried one."""

    event: str
    data: str
    id: str | None = None


def read_events(chunks: Iterable[bytes]) -> Iterator[ServerEvent]:
    """Join the bytes of a stream into events; an event that the stream's end cuts off is dropped.

    Only line feeds end a line. httpx's own lines would end at U+2028 and its like too, which may stand in a message.
    """
    event, event_id, data, rest = "message", None, list[str](), b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in (raw.removesuffix(b"\r").decode(errors="replace") for raw in lines):
            if not line:
                if data:
                    yield ServerEvent(event, "\n".join(data), event_id)
                event, event_id, data = "message", None, []
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                event = value
            elif name == "data":
                data.append(value)
            elif name == "id":
                event_id = value


def change_of(event: ServerEvent) -> Change | None:
    """The change that an event tells, or None for an event of a kind that is not known here.

    Raises:
        ServerFailed: its data is none of the contract's.
    """
    try:
        body: Any = json.loads(event.data)
        version = int(event.id) if event.id else 0
        match event.event:
            case "job":
                return JobChanged(job=read(Job, body), version=version or int(body["version"]))
            case "deleted":
                return JobDeleted(job_id=str(body["job_id"]), version=version)
            case "status":
                return read(FeedStatus, body)
            case "reset":
                return FeedReset(version=version)
            case _:
                return None
    except (ValueError, KeyError, TypeError) as error:
        raise ServerFailed(f"The change feed sent an event that cannot be read: {event.event}") from error


class ChangeFeed:
    """The feed from behind a version on, or from now. Iterate it; ``close`` ends it from any thread."""

    def __init__(self, connection: Connection, after: int | None = None) -> None:
        self._connection = connection
        self._position = after
        self._answer: httpx.Response | None = None
        self._closed = False

    def __iter__(self) -> Iterator[Change]:
        """Every change, for as long as the server can be reached.

        Raises:
            ClientError: it cannot, also after several tries, or does not have a change feed.
        """
        failures = 0
        while not self._closed:
            error: ClientError = NotReachable("The change feed ended")
            try:
                for change in self._one_connection():
                    failures = 0
                    yield change
            except (NotReachable, ServerBusy) as broken:
                error = broken
            except RuntimeError:  # httpx, of a client that was closed just before we asked
                if not self._closed:
                    raise
            failures += 1
            pause = self._connection.pace.before_reconnect(failures)
            if self._closed:
                return
            if pause is None:
                raise error
            self._connection.pace.sleep(pause)

    def _one_connection(self) -> Iterator[Change]:
        silence = self._connection.pace.silence
        with self._connection.stream(CHANGES, {"after": self._position}, silence=silence) as answer:
            self._answer = answer
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                raise ServerFailed("The server has no change feed")
            for event in read_events(answer.iter_bytes()):
                change = change_of(event)
                if change is not None and self._is_news(change):
                    yield change

    def _is_news(self, change: Change) -> bool:
        if isinstance(change, FeedStatus):
            # The feed that starts now says where now is, so that a break before the first change loses nothing.
            self._position = change.version if self._position is None else self._position
            return True
        old = not isinstance(change, FeedReset) and change.version <= (self._position or 0)
        self._position = self._position if old else change.version
        return not old

    def close(self) -> None:
        """End the feed, also while another thread waits for it."""
        self._closed = True
        stream: Any = self._answer.extensions.get("network_stream") if self._answer else None
        if stream is not None:
            # Closing a socket does not wake up who reads it; shutting it down does.
            with suppress(OSError):
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class NewsReader:
    """A feed read by a thread of its own, so that waiting for its next word can have a limit."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self._news: SimpleQueue[Change | ClientError] = SimpleQueue()
        self.ended = False
        """Whether the feed has failed for good."""
        self._thread = Thread(target=self._read, name="prefect-jobs change feed", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for change in self._feed:
                self._news.put(change)
        except ClientError as error:
            self._news.put(error)

    def next(self, timeout: float) -> Change | None:
        """The next change, or None when there was none for so many seconds, or the feed has failed."""
        with suppress(Empty):
            news = self._news.get(timeout=timeout)
            if not isinstance(news, ClientError):
                return news
            self.ended = True
        return None

    def close(self) -> None:
        """Let the thread end."""
        self._feed.close()
