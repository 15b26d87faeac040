"""A job's log as the contract answers for it (6.2, 16.5): pages from a list of lines in the order they were stored."""

from __future__ import annotations

from typing import Any

Line = dict[str, Any]

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _place(line: Line) -> tuple[str, int]:
    # The double's times are all of one form, so that their order is that of their texts.
    return line["timestamp"], line["seq"]


def matches(line: Line, level: str, contains: str) -> bool:
    """Whether a line is of at least this level and holds this text."""
    severe = level not in LEVELS or line["level"] in LEVELS[LEVELS.index(level) :]
    return severe and contains.casefold() in line["message"].casefold()


def page(
    stored: list[Line], *, level: str, contains: str, since: str, after: int | None, before: int | None,
    order: str, limit: int,
) -> tuple[list[Line], bool]:  # fmt: skip
    """The lines of one answer, and whether more match."""
    newest_first = order == "desc"
    found = [line for line in stored if matches(line, level, contains) and line["timestamp"] >= since]
    if after is not None:
        found = [line for line in found if line["seq"] > after]
    edge = min((line for line in stored if before is not None and line["seq"] >= before), key=lambda line: line["seq"],
               default=None)  # fmt: skip
    if edge is not None:
        found = [line for line in found if _place(line) < _place(edge)]
    if after is None or before is not None or newest_first:
        found.sort(key=_place, reverse=newest_first)
    shown = found[:limit]
    return sorted(shown, key=_place, reverse=newest_first), len(found) > limit


def by_level(stored: list[Line]) -> dict[str, int]:
    """How many lines of each level there are."""
    return {level: sum(line["level"] == level for line in stored) for level in LEVELS}
