"""Times as text, read in one way wherever they come from: a request, a file, a search, the command line, Prefect.

`datetime.fromisoformat` takes any character between date and time, a digit too: it reads `20251225211453Z` as a quarter
to twelve and the milliseconds `1701122500123` as a day of the year 1701. What else it takes differs between releases of
Python. So the shape is checked first; what has it is read right, and everything else is refused.
"""

import re
from datetime import UTC, datetime

_HOUR, _SIXTY = r"(?:[01]\d|2[0-3])", r"[0-5]\d"
_DATE = r"(?:\d{4}-\d{2}-\d{2}|\d{8})"
_TIME = rf"{_HOUR}(?::{_SIXTY}(?::{_SIXTY}(?:[.,]\d+)?)?|{_SIXTY}(?:{_SIXTY}(?:[.,]\d+)?)?)?"
_ZONE = rf"(?:Z|[+-]{_HOUR}(?::?{_SIXTY})?)?"
_SHAPE = re.compile(rf"(?P<date>{_DATE})(?P<time>[Tt ]{_TIME}{_ZONE})?", re.ASCII | re.IGNORECASE)


class NoTime(ValueError):
    """{text} is no ISO 8601 time"""

    def __init__(self, text: str) -> None:
        super().__init__(f"{shown(text)} is no ISO 8601 time such as 2026-03-04T08:15:00Z")


def read_time(text: str) -> datetime:
    """The instant that a text says, in UTC; without an offset it is UTC, without a time the beginning of the day.

    A calendar date, with or without hyphens; `T` or a blank; hours, with minutes, seconds and a fraction if wanted;
    `Z` or an offset. Blanks around it are nothing. Digits of a fraction beyond microseconds are cut.

    Raises:
        NoTime: the text is nothing of that, or a time that there is not (a 30th of February, 24:00, second 60) or
            that no calendar of ours reaches in UTC.
    """
    moment = read_local_time(text)
    try:
        return as_utc(moment)
    except OverflowError as error:
        raise NoTime(text) from error


def read_local_time(text: str) -> datetime:
    """The same, as it is written: with its own offset, or with none.

    Raises:
        NoTime: see `read_time`.
    """
    stripped = text.strip(" \t\r\n")
    if not _SHAPE.fullmatch(stripped):
        raise NoTime(text)
    try:
        return datetime.fromisoformat(stripped.upper())
    except ValueError as error:
        raise NoTime(text) from error


def as_utc(moment: datetime) -> datetime:
    """The same instant in UTC; a moment without an offset is read as UTC."""
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def is_day(text: str) -> bool:
    """Whether a text that `read_time` takes is a day without a time."""
    found = _SHAPE.fullmatch(text.strip(" \t\r\n"))
    return found is not None and found["time"] is None


def shown(value: object) -> str:
    """A refused value in a message: short, and without anything that cannot be printed."""
    return repr(value)[:60].encode("utf-8", "backslashreplace").decode()
