"""The words of the search field `q`, read into conditions (contract 16, the search language).

    type:export status:failed param.camera_id:front duration:>10m created:<2d log:"disk full" id:1a2b3c -retry

Plain words stay what they always were: one text, blanks included, looked for as it is. A word is a field only when it
begins with a known field's name, a colon and a value; so `ValueError: no such file` is plain text.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from prefect_jobs.conditions import (
    Between,
    Condition,
    Contains,
    HasError,
    HasParameter,
    IdStarts,
    Logged,
    Not,
    OneOf,
    Plain,
    RangedColumn,
)
from prefect_jobs.iso_time import is_day, read_time
from prefect_jobs.job_states import STATES_BY_STATUS, TABLE, keys_of

LENGTH_LIMIT = 1_000
"""Characters of a search."""
WORDS_LIMIT = 20
"""Conditions in one search."""

_STATES = {state.state for names in TABLE.values() for state in names.values()} | {"scheduled"}
_SECOND = 1_000_000
_UNITS = {
    "ms": 1_000,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
    "d": 86400 * _SECOND,
    "w": 604800 * _SECOND,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 2**62
"""More microseconds than any time or duration has."""
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_COMPARED = re.compile(r"(>=|<=|>|<|=)?(.+)", re.DOTALL)


class SearchError(ValueError):
    """The search cannot be read; the message ends with the position, counted from 1."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"{reason} (at position {position + 1})")
        self.position = position


@dataclass(frozen=True, slots=True)
class _Word:
    """One word, phrase or field of a search. ``at`` is where it begins, ``value_at`` where its value does."""

    text: str
    at: int
    end: int
    field: str | None = None
    negated: bool = False
    quoted: bool = False
    value_at: int = 0


def parse_search(text: str, *, now: datetime, types: Container[str] = ()) -> list[Condition]:
    """The conditions of a search. ``types`` are the names of types that are known, commas in them included.

    Raises:
        SearchError: it cannot be read, or is too long.
    """
    if len(text) > LENGTH_LIMIT:
        raise SearchError(f"A search has at most {LENGTH_LIMIT} characters", LENGTH_LIMIT)
    words = list(_words(text))
    conditions: list[Condition] = []
    plain: list[_Word] = []
    alone = all(word.field is None and not word.negated and not word.quoted for word in words)

    def take_plain() -> None:
        # Plain words side by side are one text, with the blanks that stand between them.
        if plain:
            conditions.append(Contains(text[plain[0].at : plain[-1].end], or_id=alone))
            plain.clear()

    for word in words:
        if word.field is None and not word.negated and not word.quoted:
            plain.append(word)
            continue
        take_plain()
        condition = Contains(word.text) if word.field is None else _field(word, now, types)
        conditions.append(Not(condition) if word.negated else condition)
    take_plain()
    if len(conditions) > WORDS_LIMIT:
        raise SearchError(f"A search has at most {WORDS_LIMIT} conditions", words[-1].at)
    return conditions


# -- reading words ------------------------------------------------------------------------------------------------

_NAME = re.compile(r"(-?)(type|status|state|created|started|completed|duration|progress|log|id|has|param\.[^\s:\"]+):")


def _words(text: str) -> Iterator[_Word]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        word = _word_at(text, at)
        yield word
        at = word.end


def _word_at(text: str, at: int) -> _Word:
    named = _NAME.match(text, at)
    if named and named.end() < len(text) and not text[named.end()].isspace():
        value, end, quoted = _value_at(text, named.end())
        return _Word(value, at, end, named[2], bool(named[1]), quoted, named.end())
    negated = text[at] == "-" and at + 1 < len(text) and not text[at + 1].isspace() and text[at + 1] != "-"
    start = at + negated
    value, end, quoted = _value_at(text, start)
    return _Word(value, at, end, None, negated, quoted, start)


def _value_at(text: str, at: int) -> tuple[str, int, bool]:
    """A quoted phrase or a word, where it ends, and whether it was quoted."""
    if text[at] != '"':
        end = next((place for place in range(at, len(text)) if text[place].isspace()), len(text))
        return text[at:end], end, False
    end = text.find('"', at + 1)
    if end < 0:
        raise SearchError("This quotation mark is never closed", at)
    if end == at + 1:
        raise SearchError("There is nothing between these quotation marks", at)
    return text[at + 1 : end], end + 1, True


# -- reading fields -----------------------------------------------------------------------------------------------


def _field(word: _Word, now: datetime, types: Container[str]) -> Plain:
    name = word.field or ""
    if name == "type":
        return OneOf("job_type", frozenset([word.text] if word.quoted or word.text in types else _list(word)))
    if name.startswith("param."):
        return HasParameter(name.removeprefix("param."), word.text)
    return _FIELDS[name](word, now)


def _status(word: _Word, _now: datetime) -> Plain:
    words = _known(word, STATES_BY_STATUS, "status")
    return OneOf("state", frozenset[str]().union(*(STATES_BY_STATUS[status] for status in words)))


def _state(word: _Word, _now: datetime) -> Plain:
    return OneOf("state", keys_of(frozenset(_known(word, _STATES, "state"))))


def _has(word: _Word, _now: datetime) -> Plain:
    if word.text.lower() != "error":
        raise SearchError(f"`has:` knows only `error`, not {word.text!r}", word.value_at)
    return HasError()


def _log(word: _Word, _now: datetime) -> Plain:
    return Logged(word.text)


def _id(word: _Word, _now: datetime) -> Plain:
    return IdStarts(word.text)


def _list(word: _Word) -> list[str]:
    return [item for item in word.text.split(",") if item]


def _known(word: _Word, known: Iterable[str], what: str) -> list[str]:
    items = [item.lower() for item in _list(word)]
    names = sorted(known)
    for item in items:
        if item not in names:
            raise SearchError(f"There is no {what} {item!r}: it is one of {', '.join(names)}", word.value_at)
    return items


def _numbers(column: RangedColumn, read: Callable[[str, datetime], tuple[int, int, bool]]) -> Callable[..., Plain]:
    """A field with a number: compared, one value, or a range. ``read`` gives the first and the last value that a text
    means, and whether it counts backwards (an age: older is smaller)."""

    def condition(word: _Word, now: datetime) -> Plain:
        first, dots, last = word.text.partition("..")
        try:
            if dots:
                bounds = [read(part, now) for part in (first, last) if part]
                if not bounds:
                    raise ValueError("a range has at least one end")
                if first and last:
                    return Between(column, min(bound[0] for bound in bounds), max(bound[1] for bound in bounds))
                least, most, backwards = bounds[0]
                return Between(column, least=least) if bool(first) != backwards else Between(column, most=most)
            compared = _COMPARED.fullmatch(word.text)
            assert compared is not None
            sign, value = compared[1] or "=", compared[2]
            least, most, backwards = read(value, now)
        except (ValueError, OverflowError) as error:
            raise SearchError(f"`{word.field}:` cannot be read: {error}", word.value_at) from error
        if backwards and sign != "=":
            sign = sign.translate(str.maketrans("<>", "><"))
        match sign:
            case ">":
                return Between(column, least=most + 1)
            case ">=":
                return Between(column, least=least)
            case "<":
                return Between(column, most=least - 1)
            case "<=":
                return Between(column, most=most)
            case _:
                return Between(column, least, most)

    return condition


def span(text: str) -> int:
    """Microseconds of `90`, `1.5s`, `10m`, `1h30m`, `2d`, `1w`; a number alone is seconds.

    Raises:
        ValueError: it is none of these.
    """
    try:
        parts = [(Decimal(text), "s")] if re.fullmatch(r"\d+(\.\d+)?", text) else []
        if not parts and not re.fullmatch(f"(?:{_SPAN.pattern})+", text):
            raise ValueError(f"{text!r} is no duration such as 90s, 10m, 1h30m or 2d")
        parts = parts or [(Decimal(number), unit) for number, unit in _SPAN.findall(text)]
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no duration") from error
    total = sum(int(number * _UNITS[unit]) for number, unit in parts)
    if total > _LATEST:
        raise ValueError(f"{text!r} is too long")
    return total


def _duration(text: str, _now: datetime) -> tuple[int, int, bool]:
    length = span(text)
    return length, length, False


def _percent(text: str, _now: datetime) -> tuple[int, int, bool]:
    if not re.fullmatch(r"\d{1,3}%?", text) or int(text.rstrip("%")) > 100:
        raise ValueError(f"{text!r} is no percentage from 0 to 100")
    value = int(text.rstrip("%"))
    return value, value, False


def _moment(text: str, now: datetime) -> tuple[int, int, bool]:
    """A day, a time, or an age: `created:<2d` are the jobs younger than two days."""
    if re.fullmatch(f"(?:{_SPAN.pattern})+", text):
        then = _microseconds(now) - span(text)
        return then, then, True
    try:
        start = _microseconds(read_time(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is neither a date such as 2026-03-04, nor a time, nor an age such as 2d") from error
    return start, start + (_UNITS["d"] - 1 if is_day(text) else 0), False


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


_FIELDS: dict[str, Callable[[_Word, datetime], Plain]] = {
    "status": _status,
    "state": _state,
    "has": _has,
    "log": _log,
    "id": _id,
    "duration": _numbers("duration", _duration),
    "progress": _numbers("progress", _percent),
    "created": _numbers("created_at", _moment),
    "started": _numbers("started_at", _moment),
    "completed": _numbers("completed_at", _moment),
}
