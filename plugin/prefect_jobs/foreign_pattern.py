"""Patterns that somebody else wrote, matched without backtracking.

`^(a+)+$` keeps Python's engine busy for days over forty letters. polars carries Rust's engine, whose time grows with
the text and with the size of the pattern and with nothing else; it also lets other threads work meanwhile.
"""

import math
import re

import polars as pl

WORK_LIMIT = 200_000_000
"""Size of a pattern times length of a text: about a tenth of a second for the worst pattern that was found."""
_REPEATS = re.compile(r"\{(\d{0,9}),?(\d{0,9})\}", re.ASCII)


class NotMatchable(Exception):
    """Nothing can be said of this pattern and this text: its syntax is another one, or it would take too long."""


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text.

    Raises:
        NotMatchable: it has look-around, backreferences or a mistake, or the text is too long for it.
    """
    if _size(pattern) * max(1, len(text)) > WORK_LIMIT:
        raise NotMatchable
    try:
        return bool(pl.Series([text], dtype=pl.String).str.contains(pattern)[0])
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeError) as error:
        raise NotMatchable from error


def _size(pattern: str) -> int:
    """At most so many steps does the engine keep in mind: `(a{50}){50}` is written out 2,500 times."""
    return len(pattern) * math.prod(
        max(int(least or 1), int(most or 1), 1) for least, most in _REPEATS.findall(pattern)
    )
