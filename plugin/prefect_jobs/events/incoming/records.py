"""What reading a file gives, row by row, and the one way in which a file as a whole is no good."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RECORD_LIMIT = 1 << 20
"""Bytes of one record; a longer one is none, and must not fill the memory."""


class UnreadableFile(ValueError):
    """The file cannot be read (on): {reason}"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: the line, and the member of an archive."""

    line: int
    member: str = ""

    def __str__(self) -> str:
        return f"line {self.line} of {self.member}" if self.member else f"line {self.line}"


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the names of its columns as the file has them in small letters, and their values."""

    place: Place
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row, or a value of it, that is no good."""

    place: Place
    column: str
    reason: str
