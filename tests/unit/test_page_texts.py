"""The page's words are one file: every text that the sources name is there, and none is there for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from prefect_jobs_ui.texts import TEXTS, text

PAGE = Path(__file__).parents[2] / "ui" / "prefect_jobs_ui"
ASKED = re.compile(r"""(?:\bt|\btext)\(f?(["'`])(.+?)\1""")
LITERAL = re.compile(r"""(["'`])((?:[\w.-]|\$?\{[^"'`]*?\})+)\1""")
# Where words could stand in a source itself: between tags, in what a screen reader says, in a string, in a template.
COMMENT = re.compile(r"^\s*//.*$|\s// .*$|\{#.*?#\}", re.MULTILINE)
BETWEEN_TAGS = re.compile(r"(?<!=)>\s*([^<>`$={}();\n]*[A-Za-z]{2}[^<>`$={}();\n]*)</")
SPOKEN = re.compile(r"""\b(?:aria-label|aria-description|title|placeholder|alt)=["']([^"'$\{]*[A-Za-z]{2})""")
STRING = re.compile(r'(?<!=)"([^"\n]*)"|=("[^"\n]*")')  # an attribute's value is none: it keeps its quotation marks
TEMPLATE = re.compile(r"`((?:[^`<>$\n]|\$\{[^}`]*\})*)`")
SENTENCE = re.compile(r"(?![.(])[^\"${}=<>/]*[A-Za-z]{2,}[,.:]? [A-Za-z][^\"${}=<>/]*|[A-Z][a-z]+")
NO_WORDS_OF_THE_PAGE = {
    **dict.fromkeys(("Escape", "Enter", "Tab", "Home", "End"), "what the browser calls a key"),
    **dict.fromkeys(("Shift", "Ctrl", "Esc"), "what stands on a key"),
    "spin slow": "classes of the style sheet",
    "Traceback (most recent call last)": "what Python writes, found in logs",
}
FILLED_IN = re.compile(r"(?:\\\$)?\\\{.*?\\\}")


def _sources() -> Iterator[str]:
    for path in [*PAGE.glob("js/*.js"), *PAGE.glob("*.py"), *PAGE.glob("*.html")]:
        yield path.read_text(encoding="utf-8")


def _written(source: str) -> Iterator[str]:
    """What reads like words to look at or to hear."""
    for pattern in (BETWEEN_TAGS, SPOKEN):
        yield from (match[1].strip() for match in pattern.finditer(source))
    yield from (match[1] for match in STRING.finditer(source) if SENTENCE.fullmatch(match[1] or ""))
    for match in TEMPLATE.finditer(source):
        words = re.sub(r"\$\{.*?\}", "0", match[1])
        if SENTENCE.fullmatch(words):
            yield words


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


def test_no_words_of_the_page_stand_in_its_scripts() -> None:
    """A translation was one file and a hunt: the log viewer, times and states had their English in the scripts."""
    found = [
        f"{path.name}: {words}"
        for path in [*PAGE.glob("js/*.js"), *PAGE.glob("*.html")]
        for words in _written(COMMENT.sub("", path.read_text(encoding="utf-8")))
        if words not in NO_WORDS_OF_THE_PAGE
    ]

    assert found == []


def test_a_text_that_counts_has_a_form_for_one_and_for_more() -> None:
    assert text("count.job", 1) == "1 job"
    assert text("count.job", 12_431) == "12,431 jobs"
    assert text("feed.late", age="{n}") == "Prefect's changes arrive late: this page shows what was known {n}."
