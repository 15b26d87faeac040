"""What a search asks for, as plain values: each search parameter and each word of the search language is one of these.

All conditions of a search must hold together. Times are whole microseconds since 1970, durations whole microseconds.
"""

from dataclasses import dataclass
from typing import Literal

NamedColumn = Literal["job_type", "state"]
RangedColumn = Literal["created_at", "started_at", "completed_at", "duration", "progress"]


@dataclass(frozen=True, slots=True)
class OneOf:
    """The word in this column is one of these. Words that nothing has match nothing."""

    column: NamedColumn
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Between:
    """The number in this column is there, and within these bounds, both included; None leaves a side open."""

    column: RangedColumn
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class HasError:
    """The job has an error."""


@dataclass(frozen=True, slots=True)
class Contains:
    """The job's type, message, error or a string of its result has this text within, in any case.

    ``or_id``: a job of this very id, or whose id begins so when it is long enough, or ends so when it is
    what a card shows of an id, matches too.
    """

    text: str
    or_id: bool = False


@dataclass(frozen=True, slots=True)
class HasParameter:
    """The job was started with a parameter of this name whose value begins so, in any case."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Logged:
    """A stored log line of the job has this text within, in any case."""

    text: str


@dataclass(frozen=True, slots=True)
class IdStarts:
    """The job's id begins so, or ends so when it is what a card shows of an id."""

    prefix: str


Plain = OneOf | Between | HasError | Contains | HasParameter | Logged | IdStarts


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    condition: Plain


Condition = Plain | Not


def plain_of(condition: Condition) -> Plain:
    """The condition itself, or the one that this is the opposite of."""
    return condition.condition if isinstance(condition, Not) else condition
