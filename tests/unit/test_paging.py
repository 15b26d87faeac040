"""Pages of very many runs begin at times: none is missed, however many share a time or have none."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from prefect_jobs.gateway import PAGE, START, Bookmark
from prefect_jobs.gateway.paging import Order, read_page

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


class Item(NamedTuple):
    """As much of a run as pages go by."""

    id: str
    time: datetime | None


class Server:
    """Orders and cuts as a database does. Those without a time stand first, as on SQLite, or last."""

    def __init__(self, items: Sequence[Item], *, nulls_first: bool) -> None:
        self.items = list(items)
        self.asked = 0
        self.nulls_first = nulls_first

    async def ask(self, order: Order, *, least: datetime | None, most: datetime | None, offset: int) -> list[Item]:
        self.asked += 1
        found = [item for item in self.items if self._lies_between(item, least, most)]
        if order == "ID_DESC":
            found.sort(key=lambda item: item.id, reverse=True)
        else:
            null_last = not self.nulls_first
            found.sort(key=lambda item: ((item.time is None) is null_last, item.time or NOON))
            if order == "EXPECTED_START_TIME_DESC":
                found.reverse()
        return found[offset : offset + PAGE]

    @staticmethod
    def _lies_between(item: Item, least: datetime | None, most: datetime | None) -> bool:
        if item.time is None:
            return least is None and most is None
        return (least is None or item.time >= least) and (most is None or item.time <= most)


async def read_all(server: Server, until: datetime | None = None) -> list[Item]:
    found: list[Item] = []
    at: Bookmark | None = START
    while at is not None:
        cut = await read_page(at, server.ask, lambda item: item.time, until=until)
        found += cut.items
        at = cut.next
    return found


def items(
    count: int, *, apart: timedelta = timedelta(seconds=1), start: datetime = NOON, name: str = "a"
) -> list[Item]:
    return [Item(f"{name}{number:05}", start + number * apart) for number in range(count)]


def timeless(count: int) -> list[Item]:
    return [Item(f"t{number:05}", None) for number in range(count)]


COUNTS = [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE]


@pytest.mark.parametrize("nulls_first", [True, False])
@pytest.mark.parametrize("without_time", COUNTS)
@pytest.mark.parametrize("with_time", COUNTS)
async def test_every_run_is_on_some_page(nulls_first: bool, without_time: int, with_time: int) -> None:
    everything = items(with_time) + timeless(without_time)
    assert set(await read_all(Server(everything, nulls_first=nulls_first))) == set(everything)


@pytest.mark.parametrize("same", [PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
async def test_runs_of_one_moment_are_all_read_however_many_they_are(same: int) -> None:
    together = items(same, apart=timedelta(0), start=NOON + timedelta(seconds=5), name="b")
    everything = items(10) + together + items(PAGE, start=NOON + timedelta(hours=1), name="c")
    assert set(await read_all(Server(everything, nulls_first=True))) == set(everything)


async def test_the_next_moment_after_a_crowded_one_is_not_passed_over() -> None:
    crowd = items(2 * PAGE, apart=timedelta(0))
    after = Item("z", NOON + timedelta(microseconds=1))
    assert after in await read_all(Server([*crowd, after], nulls_first=False))


async def test_runs_after_the_limit_are_left_out() -> None:
    everything = items(3 * PAGE)
    limit = NOON + timedelta(seconds=PAGE)
    found = await read_all(Server(everything + timeless(3), nulls_first=True), until=limit)
    assert set(found) == {item for item in everything if item.time is not None and item.time <= limit}


async def test_few_runs_cost_one_question() -> None:
    server = Server(items(PAGE - 1), nulls_first=True)
    await read_all(server)
    assert server.asked == 1


async def test_a_run_that_is_deleted_between_two_pages_hides_no_other() -> None:
    """By offset the next page would begin one run too far."""
    server = Server(items(2 * PAGE), nulls_first=True)
    first = await read_page(START, server.ask, lambda item: item.time)
    del server.items[:10]
    assert first.next is not None
    second = await read_page(first.next, server.ask, lambda item: item.time)
    assert {*first.items, *second.items} >= set(server.items[: 2 * PAGE - 11])
