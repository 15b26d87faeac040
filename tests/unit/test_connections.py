"""Who makes room when there are too many connections; with real ones: `tests/integration/test_connections.py`."""

import logging
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from prefect_jobs.api.connections import Connection, Door, Patience, Wait, server_config
from prefect_jobs.settings import Settings

LOW, PLENTY = 3, 100_000


class Stub(Connection):
    """A connection that only notes that it was dropped."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.dropped = False

    def drop(self) -> None:
        self.dropped = True
        self.door.leave(self)


def let_in(door: Door, waits: Wait | None = None, *, descriptor: int = LOW) -> Stub:
    connection = Stub(door)
    assert door.enter(connection, descriptor)
    door.waits(connection, waits)
    return connection


def test_at_the_limit_the_one_that_has_asked_nothing_for_longest_makes_room() -> None:
    door = Door(Patience(connections=4), descriptors=PLENTY)
    idle, first, second, busy = (let_in(door, wait) for wait in ("idle", "silent", "silent", None))

    let_in(door)
    assert [first.dropped, second.dropped, idle.dropped] == [True, False, False]
    let_in(door)
    assert [second.dropped, idle.dropped] == [True, False]
    let_in(door)
    assert idle.dropped
    assert not busy.dropped


def test_the_one_whose_first_request_came_since_is_not_silent_any_more() -> None:
    door = Door(Patience(connections=2), descriptors=PLENTY)
    asked, silent = let_in(door, "silent"), let_in(door, "silent")
    door.waits(asked, None)

    let_in(door)
    assert [asked.dropped, silent.dropped] == [False, True]


def test_where_every_connection_is_served_a_new_one_is_told_to_come_again() -> None:
    door = Door(Patience(connections=2), descriptors=PLENTY)
    served = [let_in(door), let_in(door)]

    assert not door.enter(Stub(door), LOW)
    assert not any(connection.dropped for connection in served)


def test_short_of_descriptors_there_are_no_more_connections_than_now() -> None:
    """The numbers of those that made room are given out again, lower than the limit: only the count tells."""
    door = Door(Patience(), descriptors=100)
    strangers = [let_in(door, "silent", descriptor=number) for number in range(3, 78)]
    for _ in range(200):
        strangers += [let_in(door, "silent", descriptor=number) for number in (75, 5)]

    assert len(door) <= 76
    assert not strangers[-1].dropped


def test_when_the_strangers_are_gone_the_limit_is_what_it_was() -> None:
    door = Door(Patience(connections=1000), descriptors=100)
    for connection in [let_in(door, descriptor=number) for number in range(3, 75)]:
        door.leave(connection)
    served = [let_in(door) for _ in range(500)]

    assert len(door) == 500
    assert not any(connection.dropped for connection in served)


def test_the_limit_is_said_once_and_not_for_every_connection(caplog: pytest.LogCaptureFixture) -> None:
    door = Door(Patience(connections=1), descriptors=PLENTY)
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            let_in(door, "silent")

    assert [record.message for record in caplog.records] == [
        "The limit of connections is reached with 2 connections: those that ask nothing make room for new ones "
        "(PREFECT_JOBS_CONNECTION_LIMIT, ulimit -n)"
    ]


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError


def test_nobody_is_believed_to_speak_for_another_address_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uvicorn believes `X-Forwarded-For` from loopback unasked: a user of the machine had attempts without end."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    apps: list[Any] = []
    for proxies in ([], ["10.0.0.0/8"]):
        config: Any = server_config(nothing, Settings(trusted_proxies=proxies), grace=1)
        config.load()
        apps.append(config.loaded_app)

    alone, behind_a_proxy = apps
    assert not isinstance(alone, ProxyHeadersMiddleware)
    assert isinstance(behind_a_proxy, ProxyHeadersMiddleware)
    trusted = behind_a_proxy.trusted_hosts
    assert "10.1.2.3" in trusted
    assert "127.0.0.1" not in trusted


@pytest.mark.parametrize("junk", ["*", "proxy.example", "10.0.0.1/8", "127.0.0.1,::1"])
def test_a_proxy_is_an_address_or_a_network(junk: str) -> None:
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=[junk])
