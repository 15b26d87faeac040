"""What a tab holds of a log, without any drawing: the page's own modules, run in Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from tests.ui.conftest import OpenPage, Site

TOOLS = """
    const {START, END, lineOf, order} = await import("/sources/log_line.js")
    const {LogBook, reachesStart, trusted} = await import("/sources/log_book.js")
    const {rowsOf} = await import("/sources/log_rows.js")
    const {RowHeights} = await import("/sources/row_heights.js")
    const {LogHits} = await import("/sources/log_hits.js")
    const T0 = Date.parse("2026-03-04T08:15:00Z")
    // A line stored as number `seq`, written `second` seconds after the start.
    const line = (seq, second = seq, rest = {}) => lineOf({seq, level: "INFO", message: `line ${seq}`,
        timestamp: new Date(T0 + 1000 * second).toISOString(), ...rest})
    const lines = (first, last) => Array.from({length: last - first + 1}, (_, i) => line(first + i))
    const seqs = (book) => book.lines.map(({seq}) => seq)
    const told = (total, rest = {}) => ({total_lines: total, complete: true,
        by_level: {DEBUG: 0, INFO: total, WARNING: 0, ERROR: 0}, ...rest})
    // A book that was opened at the end of a log of so many lines.
    const opened = (total, held = 100) => {
        const book = new LogBook()
        const tail = lines(total - held + 1, total)
        book.cover(tail, held === total ? START : tail[0], END)
        book.learn(told(total))
        book.lastSeq = total
        return book
    }
"""


class Script:
    """Runs a piece of script beside the modules and answers what it returns."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def __call__(self, body: str) -> Any:
        return await self._page.evaluate(f"async () => {{ {TOOLS}\n{body} }}")


@pytest.fixture
async def script(site: Site, open_page: OpenPage) -> Script:
    return Script(await open_page(f"{site.url}/api/session", wait=False))


async def test_the_end_of_a_log_leaves_one_gap_that_counts_what_is_missing(script: Script) -> None:
    assert await script("""
        const book = opened(100_000, 400)
        return [book.held, book.all, book.matching, book.gaps().map((gap) => gap.count)]
    """) == [400, 100_000, 100_000, [99_600]]


async def test_pages_that_touch_become_one_stretch_and_each_line_is_held_once(script: Script) -> None:
    assert await script("""
        const book = opened(20, 5)
        book.cover(lines(8, 15), line(8), line(16))
        const one = book.stretches.length
        book.cover(lines(1, 9), START, line(10))
        return [one, book.stretches.length, seqs(book), book.gaps().length]
    """) == [1, 1, list(range(1, 21)), 0]


async def test_a_page_from_the_midst_stands_alone_between_two_gaps(script: Script) -> None:
    assert await script("""
        const book = opened(1000, 100)
        book.cover(lines(401, 500), line(401), line(500))
        return book.gaps().map(({count}) => count)
    """) == [400, 400]


async def test_a_late_line_goes_where_its_time_is(script: Script) -> None:
    assert await script("""
        const book = opened(5, 5)
        book.hear([line(6, 2.5), line(7, 7)])
        return [seqs(book), book.total, book.lastSeq]
    """) == [[1, 2, 6, 3, 4, 5, 7], 7, 7]


async def test_a_late_line_of_a_part_that_is_not_held_is_counted_and_read_later(script: Script) -> None:
    assert await script("""
        const book = opened(1000, 10)
        book.hear([line(1001, 3.5)])
        return [book.held, book.all, book.gaps()[0].count]
    """) == [10, 1001, 991]


async def test_a_line_that_is_told_twice_counts_once(script: Script) -> None:
    assert await script("""
        const book = opened(5, 5)
        const news = [book.hear([line(6)]), book.hear([line(6)]), book.hear([line(3)])]
        return [news, book.all, seqs(book)]
    """) == [[1, 0, 0], 6, [1, 2, 3, 4, 5, 6]]


async def test_a_server_that_gives_no_numbers_is_understood(script: Script) -> None:
    assert await script("""
        const book = new LogBook()
        book.cover([], START, END)
        const at = (second) => new Date(T0 + second * 1000).toISOString()
        const plain = (second) => lineOf({timestamp: at(second), level: "INFO", message: "same"})
        return [book.hear([plain(1), plain(2)]), book.hear([plain(2), plain(3)]), book.lines.length]
    """) == [2, 1, 3]


async def test_a_line_that_is_written_while_the_end_is_read_is_not_lost(script: Script) -> None:
    # The answer was made before line 11 was written; line 11 came on the socket before the answer.
    assert await script("""
        const book = opened(10, 5)
        book.want({level: "INFO"})
        book.hear([line(11)])
        book.cover(lines(4, 10), line(4), END)
        return seqs(book)
    """) == [4, 5, 6, 7, 8, 9, 10, 11]


async def test_while_a_log_is_copied_what_lies_in_front_of_its_end_is_not_believed(script: Script) -> None:
    # Lines 1 to 5 are copied, the newest 3 too, and nobody knows yet how many are missing between them.
    assert await script("""
        const tail = [100_000_001, 100_000_002, 100_000_003].map((seq) => line(seq, seq / 1000))
        const asked = {nearest: "last", neighbour: tail[0], complete: false}
        const page = trusted(lines(1, 5), asked)
        const whole = trusted(lines(1, 5), {...asked, complete: true})
        return [page.length, whole.length, reachesStart({lines: tail, has_more: false, complete: false}, tail),
            reachesStart({lines: lines(1, 3), has_more: false, complete: false}, lines(1, 3))]
    """) == [0, 5, False, True]


async def test_numbers_of_an_end_that_was_stored_first_read_as_places_in_the_log(script: Script) -> None:
    assert await script("""
        const book = new LogBook()
        const tail = [100_000_001, 100_000_002, 100_000_003].map((seq) => line(seq, seq / 1000))
        book.cover(tail, tail[0], END)
        const before = book.numberOf(100_000_003)
        book.learn(told(5003))
        const numbers = [100_000_003, 7].map((seq) => book.numberOf(seq))
        return [before, ...numbers, book.seqOf(5001), book.seqOf(4000), book.gaps()[0].count]
    """) == [None, 5003, 7, 100_000_001, 4000, 5000]


async def test_of_an_endless_log_only_what_is_near_is_kept(script: Script) -> None:
    assert await script("""
        const book = opened(5000, 5000)
        book.trim(END, 1000)
        const end = [book.held, book.lines[0].seq, book.atEnd, book.gaps().map(({count}) => count)]
        const other = opened(5000, 5000)
        other.trim(line(2500), 1000)
        return [end, [other.held, other.lines[0].seq, other.atEnd, other.gaps().map(({count}) => count)]]
    """) == [[1000, 4001, True, [4000]], [1000, 2000, False, [1999, 2001]]]


async def test_clearing_counts_from_there_and_old_lines_stay_away(script: Script) -> None:
    assert await script("""
        const book = opened(50, 50)
        book.clear()
        const cleared = [book.all, book.held, book.gaps().length, book.count("INFO")]
        book.hear([line(51)])
        book.cover(lines(41, 51), line(41), END)
        const after = [book.all, seqs(book)]
        book.restore()
        return [cleared, after, book.all]
    """) == [[0, 0, 0, 0], [1, [51]], 51]


async def test_a_level_is_a_minimum_and_is_counted_for_the_whole_log(script: Script) -> None:
    assert await script("""
        const book = opened(100, 10)
        book.learn({...told(100), by_level: {DEBUG: 40, INFO: 50, WARNING: 7, ERROR: 3}})
        book.want({level: "WARNING"})
        book.cover([line(5, 5, {level: "WARNING"})], START, END)
        book.hear([line(101, 101, {level: "ERROR"}), line(102, 102, {level: "INFO"})])
        return [book.matching, book.all, seqs(book), book.count("ERROR")]
    """) == [11, 102, [5, 101], 4]


async def test_what_the_api_promises_beyond_what_came_is_seen_as_missing(script: Script) -> None:
    assert await script("""
        const book = opened(10, 10)
        const missing = book.promise(13)
        return [missing, book.total, book.promised, book.all]
    """) == [3, 10, 13, 13]


async def test_progress_lines_are_written_over_and_can_be_opened(script: Script) -> None:
    assert await script(r"""
        const book = new LogBook()
        const messages = ["begin", "\r10%", "\r50%", "\r100%", "end"]
        book.cover(messages.map((message, at) => line(at + 1, at + 1, {message})), START, END)
        const closed = rowsOf(book, new Set()).map(({message, replaced}) => [message, replaced])
        const group = book.lines[3].group
        return [closed, rowsOf(book, new Set([group])).length]
    """) == [[["begin", 0], ["\r100%", 2], ["end", 0]], 5]


async def test_lines_that_merely_end_with_a_carriage_return_are_all_shown(script: Script) -> None:
    # Output of other systems: each line of it ends so.
    assert await script(r"""
        const book = new LogBook()
        const messages = ["copying files\r", "compiling\r", "linking 10%\r", "linking 20%\r"]
        book.cover(messages.map((message, at) => line(at + 1, at + 1, {message})), START, END)
        return rowsOf(book, new Set()).map(({message}) => message)
    """) == ["copying files\r", "compiling\r", "linking 20%\r"]


async def test_a_new_attempt_is_marked_between_its_lines(script: Script) -> None:
    assert await script("""
        const book = new LogBook()
        book.cover([line(1), line(2, 2, {attempt_number: 2}), line(3, 3, {attempt_number: 2})], START, END)
        const rows = rowsOf(book, new Set())
        const again = rowsOf(book, new Set())
        // The mark is the same row each time: a new one would have to be measured for ever.
        return [rows.map(({kind, attempt}) => `${kind} ${attempt}`), rows[1] === again[1]]
    """) == [["line 1", "attempt 2", "line 2", "line 2"], True]


async def test_a_gap_is_as_high_as_its_lines_but_never_higher_than_a_browser_scrolls(script: Script) -> None:
    assert await script("""
        const small = new RowHeights([{kind: "gap", count: 100}, line(1), line(2)], 20)
        const large = new RowHeights([{kind: "gap", count: 50_000_000}, line(1)], 20)
        return [small.total, small.at(0), small.at(1999), small.at(2000), small.at(1e9), large.total < 17e6]
    """) == [2040, 0, 0, 1, 2, True]


async def test_who_reads_far_up_holds_no_more_lines_however_many_come(script: Script) -> None:
    """A tab that was scrolled up over a busy job's log held every line, and stood still by the morning."""
    assert await script("""
        const {LogReader} = await import("/sources/log_reader.js")
        const reader = new LogReader("one", {onChange: () => {}})
        reader.take({...told(500), lines: lines(1, 500), has_more: false})
        reader.follow = false
        reader.near = reader.book.find(100)
        for (let first = 501; first < 40_000; first += 500) reader.hearAll(lines(first, first + 499))
        return [reader.book.held <= 10_000, reader.book.find(100) !== null, reader.book.total, reader.unseen]
    """) == [True, True, 40_000, 39_500]


async def test_a_hit_is_what_the_level_shows_and_their_number_has_an_end(script: Script) -> None:
    assert await script("""
        const {LogReader} = await import("/sources/log_reader.js")
        const reader = new LogReader("one", {onChange: () => {}})
        reader.book.level = "ERROR"
        reader.hits = new LogHits("line")
        reader.hearAll([line(1), line(2, 2, {level: "ERROR"})])
        const found = reader.hits.places.map(({seq}) => seq)
        reader.book.level = "ALL"
        reader.hits.isAll = true
        for (let first = 3; first < 30_000; first += 500) reader.hearAll(lines(first, first + 499))
        return [found, reader.hits.places.length, reader.hits.isAll]
    """) == [[2], 20_000, False]


async def test_hits_are_walked_in_a_ring_and_stay_in_place_when_older_or_newer_ones_come(script: Script) -> None:
    assert await script("""
        const hits = new LogHits("x")
        hits.older([line(50), line(60), line(70)], false)
        const near = hits.near(line(55)).seq
        hits.older([line(10), line(20)], true)
        const kept = hits.places[hits.current].seq
        hits.newer(line(80))
        const walk = [1, 1, 1, -1].map((by) => hits.step(by).seq)
        return [near, kept, walk, new LogHits("x").step(1)]
    """) == [60, 60, [70, 80, 10, 80], None]
