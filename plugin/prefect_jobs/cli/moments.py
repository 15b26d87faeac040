"""Times as people type them: `2026-03-04T08:15`, in this machine's zone unless it says another, or `2h`, `3d`."""

import re
from datetime import datetime, timedelta

from prefect_jobs.cli.refusals import Refusal
from prefect_jobs.iso_time import read_local_time

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"\+?(\d{1,6})([smhdw])")


def span(text: str) -> timedelta | None:
    """`90s`, `10m`, `2h`, `3d` or `1w` as a length of time; None for anything else."""
    found = _SPAN.fullmatch(text.strip().lower())
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]]) if found else None


def past_moment(option: str, text: str, *, now: datetime) -> datetime:
    """A time, or so long ago.

    Raises:
        Refusal: the text is neither.
    """
    length = span(text)
    return _moment(option, text) if length is None else now - length


def coming_moment(option: str, text: str, *, now: datetime) -> datetime:
    """A time, or so far ahead.

    Raises:
        Refusal: the text is neither.
    """
    length = span(text)
    return _moment(option, text) if length is None else now + length


def _moment(option: str, text: str) -> datetime:
    try:
        return read_local_time(text).astimezone()
    except (ValueError, OverflowError, OSError) as error:  # the last: times that the C library cannot place
        raise Refusal(f"{option} is no time: {text!r}. Write 2026-03-04T08:15, 2h or 3d.") from error
