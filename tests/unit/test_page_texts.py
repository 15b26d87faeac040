"""The page's words are one file: every text that the sources name is there, and none is there for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from prefect_jobs_ui.texts import TEXTS, text

PAGE = Path(__file__).parents[2] / "ui" / "prefect_jobs_ui"
ASKED = re.compile(r"""(?:\bt|\btext)\(f?(["'`])(.+?)\1""")
LITERAL = re.compile(r"""(["'`])((?:[\w.-]|\$?\{[^"'`]*?\})+)\1""")
FILLED_IN = re.compile(r"(?:\\\$)?\\\{.*?\\\}")


def _sources() -> Iterator[str]:
    for path in [*PAGE.glob("js/*.js"), *PAGE.glob("*.py"), PAGE / "page.html"]:
        yield path.read_text(encoding="utf-8")


def _patterns(names: re.Pattern[str]) -> set[str]:
    """The names that stand in the sources; what is filled in there fits anything."""
    found = {match[2] for source in _sources() for match in names.finditer(source)}
    return {FILLED_IN.sub(".+", re.escape(name)) for name in found}


def test_every_text_that_is_asked_for_is_there() -> None:
    missing = [name for name in _patterns(ASKED) if not any(re.fullmatch(name, known) for known in TEXTS)]

    assert missing == []


def test_no_text_is_there_for_nothing() -> None:
    named = re.compile("|".join(f"(?:{pattern})" for pattern in _patterns(LITERAL) if pattern != ".+"))

    assert [name for name in TEXTS if not named.fullmatch(name)] == []


def test_a_text_that_counts_has_a_form_for_one_and_for_more() -> None:
    assert text("count.job", 1) == "1 job"
    assert text("count.job", 12_431) == "12,431 jobs"
    assert text("feed.late", age="{n}") == "Prefect's changes arrive late: this page shows what was known {n}."
