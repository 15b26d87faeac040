"""The ring of changes that every reader of the feed shares."""

import asyncio

from prefect_jobs.changes import RING, ChangeHub
from prefect_jobs.store import Change


def changes(*versions: int) -> list[Change]:
    return [Change(version, f"job-{version}", None) for version in versions]


def versions(found: list[Change] | None) -> list[int] | None:
    return None if found is None else [change.version for change in found]


def test_a_reader_gets_what_is_newer_than_its_place() -> None:
    hub = ChangeHub(10)
    hub.publish(changes(11, 12, 13))
    assert versions(hub.after(10)) == [11, 12, 13]
    assert versions(hub.after(12)) == [13]
    assert versions(hub.after(13)) == []


def test_a_place_from_before_the_process_is_not_in_the_ring() -> None:
    assert ChangeHub(10).after(9) is None


def test_exactly_a_full_ring_may_wait_for_a_slow_reader() -> None:
    hub = ChangeHub(0)
    hub.publish(changes(*range(1, RING + 1)))
    assert len(hub.after(0) or []) == RING
    hub.publish(changes(RING + 1))
    assert hub.after(0) is None
    assert len(hub.after(1) or []) == RING


async def test_waiting_ends_when_a_change_is_published() -> None:
    hub = ChangeHub(0)
    waiting = asyncio.create_task(hub.wait(0, timeout=60))
    await asyncio.sleep(0)
    hub.publish(changes(1))
    assert await waiting


async def test_waiting_for_what_is_already_there_returns_at_once() -> None:
    hub = ChangeHub(0)
    hub.publish(changes(1))
    assert await hub.wait(0, timeout=0)
    assert not await hub.wait(1, timeout=0)
