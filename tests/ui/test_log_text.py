"""How a log message becomes pieces of text: colours, controls, hits and folds, in the page's own module."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ui.conftest import OpenPage, Site


class Text:
    """The module's functions, called in Chromium."""

    def __init__(self, page: Any) -> None:
        self.page = page

    async def __call__(self, function: str, *arguments: Any) -> Any:
        return await self.page.evaluate(
            "async ([name, parameters]) => (await import('/sources/log_text.js'))[name](...parameters)",
            [function, list(arguments)],
        )

    async def pieces(self, message: str) -> list[tuple[str, str]]:
        return [(piece["text"], piece["classes"]) for piece in await self("pieces", message)]


@pytest.fixture
async def text(site: Site, open_page: OpenPage) -> Text:
    return Text(await open_page(f"{site.url}/api/session", wait=False))


async def test_colour_codes_become_classes_until_they_are_reset(text: Text) -> None:
    assert await text.pieces("a\x1b[31mred\x1b[1;4mbold\x1b[22mthin\x1b[0mplain\x1b[94mbright\x1b[39m.") == [
        ("a", ""),
        ("red", "ansi-red"),
        ("bold", "ansi-bold ansi-underline ansi-red"),
        ("thin", "ansi-underline ansi-red"),
        ("plain", ""),
        ("bright", "ansi-bright-blue"),
        (".", ""),
    ]


async def test_of_256_and_true_colours_the_nearest_readable_one_is_taken(text: Text) -> None:
    assert await text.pieces("\x1b[38;5;196mr\x1b[38;2;20;200;30mg\x1b[38;5;250mw\x1b[38;5;12mb\x1b[48;5;1mo") == [
        ("r", "ansi-bright-red"),
        ("g", "ansi-green"),
        ("w", "ansi-white"),
        ("b", "ansi-bright-blue"),
        ("o", "ansi-on-red ansi-bright-blue"),
    ]


async def test_a_line_of_nothing_but_codes_is_read_at_once(text: Text) -> None:
    for codes in ("\x1b[" + ";" * 400_000 + "m", "\x1b[" + "1" * 400_000, "\x1b]" * 200_000, "\x1b[0 " * 100_000):
        assert [piece for piece, _ in await text.pieces(f"{codes}\nend")][-1].endswith("\nend")


async def test_broken_colour_codes_colour_nothing(text: Text) -> None:
    assert await text.pieces("\x1b[38;5ma\x1b[38;2;1mb\x1b[;;mc\x1b[999md") == [
        ("a", ""), ("b", ""), ("c", ""), ("d", ""),
    ]  # fmt: skip


async def test_text_in_the_colour_of_its_ground_stays_readable(text: Text) -> None:
    assert await text.pieces("\x1b[31;41mhidden\x1b[0m\x1b[8mconcealed") == [
        ("hidden", "ansi-on-red"),
        ("concealed", ""),
    ]


async def test_what_else_a_terminal_would_obey_is_dropped(text: Text) -> None:
    moves = "\x1b[2K\x1b[1;1Ha\x1b]0;title\x07b\x1b]8;;http://evil/\x1b\\link\x1b]8;;\x1b\\c\x1b(B\x1b7d"

    assert await text("plain", moves) == "ablinkcd"


async def test_a_title_that_never_ends_hides_nothing(text: Text) -> None:
    assert "important" in await text("plain", "\x1b]0;important words")


async def test_unseen_and_turning_signs_are_shown_by_their_names(text: Text) -> None:
    assert await text.pieces("a\u202eb\x00c\x7fd") == [
        ("a", ""), ("U+202E", "control"), ("b", ""), ("\u2400", "control"), ("c", ""), ("U+007F", "control"), ("d", ""),
    ]  # fmt: skip


async def test_a_carriage_return_leaves_what_was_written_last(text: Text) -> None:
    assert await text("plain", "10%\r50%\r100%\nnext\r\nlast\r") == "100%\nnext\nlast"


async def test_a_hit_is_marked_in_any_case_literally_and_across_colours(text: Text) -> None:
    pieces = await text("pieces", "see \x1b[31mERR\x1b[0mor (1.5)")

    found = [(piece["text"], piece["hit"]) for piece in await text("marked", pieces, "error")]
    assert found == [("see ", False), ("ERR", True), ("or", True), (" (1.5)", False)]
    assert [piece["text"] for piece in await text("marked", pieces, "(1.5)") if piece["hit"]] == ["(1.5)"]
    assert [piece["text"] for piece in await text("marked", pieces, ".*") if piece["hit"]] == []


async def test_a_traceback_folds_to_what_was_done_and_what_went_wrong(text: Text) -> None:
    frames = "\n".join(f'  File "a.py", line {number}, in f' for number in range(6))
    message = f"Task failed\nTraceback (most recent call last):\n{frames}\nOSError: disk full\n"

    assert await text("folds", message)
    assert await text("folded", message) == {
        "head": "Task failed\nTraceback (most recent call last):",
        "hidden": 6,
        "tail": "OSError: disk full",
    }
    assert not await text("folds", "two\nlines")


async def test_a_message_of_ten_megabytes_is_taken_apart_in_a_moment(text: Text) -> None:
    for hostile in ("\x1b[" * 2_000_000, "\x1b]" * 2_000_000, "\x1b[31m" * 500_000, "\r" * 5_000_000):
        took = await text.page.evaluate(
            """async (message) => {
                const {cut, pieces} = await import('/sources/log_text.js')
                const began = performance.now()
                pieces(cut(message))
                return performance.now() - began
            }""",
            hostile,
        )
        assert took < 1000
