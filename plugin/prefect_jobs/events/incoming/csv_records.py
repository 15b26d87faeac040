"""Records out of a CSV file, whoever wrote it: our own export, a spreadsheet of any country, a script.

The heading says what the columns are, by the export's titles or by their JSON keys. An export guards cells that begin
like a formula with a quote; it is taken away again, from a file that has the export's titles only.
"""

import csv
from collections.abc import Iterator
from typing import Any

from prefect_jobs.events.export_file import COLUMNS, unguarded
from prefect_jobs.events.incoming.lines import Read, lines
from prefect_jobs.events.incoming.records import Place, Record, Rejected, UnreadableFile

DELIMITERS = ",;\t"
_KEYS = {title.lower(): key for key, title in COLUMNS.items()}
_TITLES = frozenset(COLUMNS.values())
_COMPLAINTS = {
    "new-line character": "a carriage return stands outside of quotes, and lines end with a line feed",
    "field larger than": f"a cell is longer than {csv.field_size_limit():,} characters",
    **{f"'{sign}' expected": f"{sign!r} expected after '\"'" for sign in DELIMITERS},
}
"""What the parser says, by a sign of it, and what that means."""


def csv_records(read: Read, member: str = "") -> Iterator[Record | Rejected]:
    """The records of a CSV file with a heading; an empty cell is None.

    Raises:
        UnreadableFile: a line is too long, the heading is no CSV or has no start time or a column twice, or the file
            ends in quotes.
    """
    texts = (line.decode("utf-8", "surrogateescape") for line in lines(read))
    try:
        first = next(texts)
    except StopIteration:
        return
    delimiter = max(DELIMITERS, key=first.count)
    try:
        titles = next(csv.reader([first], delimiter=delimiter))
    except csv.Error as error:
        raise UnreadableFile(f"The heading is no CSV: {_reason(error)}") from error
    keys = [_key(title) for title in titles]
    if len(set(keys)) < len(keys):
        raise UnreadableFile("The heading names a column twice")
    if "started_at" not in keys:
        raise UnreadableFile(f"The heading has no column 'Started At' or 'started_at': {first.strip()[:200]!r}")
    guarded = _TITLES.issuperset(titles)
    rows = csv.reader(texts, delimiter=delimiter, strict=True)
    while True:
        place = Place(2 + rows.line_num, member)
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise UnreadableFile(f"The file ends within the quotes of a cell that begin in {place}") from error
            yield Rejected(place, "", f"The row is no CSV: {_reason(error)}")
            continue
        if not row:
            continue
        if len(row) != len(keys):
            yield Rejected(place, "", f"The row has {len(row)} cells, and the heading {len(keys)}")
            continue
        yield Record(place, {key: _cell(text, guarded) for key, text in zip(keys, row, strict=True)})


def _reason(error: csv.Error) -> str:
    """What is wrong, in words for whoever made the file; the parser's own are for whoever calls it."""
    said = str(error)
    return next((words for sign, words in _COMPLAINTS.items() if sign in said), "it cannot be read as cells")


def _key(title: str) -> str:
    """The JSON key that a column's title stands for."""
    words = title.strip().lower()
    return _KEYS.get(words, words.replace(" ", "_"))


def _cell(text: str, guarded: bool) -> Any:
    return (unguarded(text) if guarded else text) or None
