"""Records out of JSON arrays and JSON Lines, one at a time.

The standard library's decoder reads one value out of a text and says where it ends; a window that slides over the file
is all that it lacks. It is as fast as a streaming parser and knows the line of each record, which those do not tell.
"""

import codecs
import json
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any, NoReturn, cast

from prefect_jobs.events.complaints import json_complaint
from prefect_jobs.events.incoming.lines import CHUNK, Read, lines
from prefect_jobs.events.incoming.records import RECORD_LIMIT, Place, Record, Rejected, UnreadableFile


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)
_NO_OBJECT = "The record is no object"


def json_lines(read: Read, member: str = "") -> Iterator[Record | Rejected]:
    """The records of JSON Lines; a line that is no JSON is rejected and the next one is read.

    Raises:
        UnreadableFile: a line is too long, or the file ends in the middle of one.
    """
    for number, line in enumerate(lines(read), 1):
        place = Place(number, member)
        if not (text := line.decode("utf-8", "surrogateescape").strip()):
            continue
        try:
            value = _DECODER.decode(text)
        except (ValueError, RecursionError) as error:
            if not line.endswith(b"\n") and _ends_early(error, text):
                raise UnreadableFile(f"The file ends in the middle of {place}") from error
            yield Rejected(place, "", f"The line is no JSON: {json_complaint(error)}")
            continue
        yield _record(place, value)


def json_array(read: Read, member: str = "", *, limit: int = RECORD_LIMIT) -> Iterator[Record | Rejected]:
    """The records of a JSON array of objects.

    Raises:
        UnreadableFile: it is no JSON from some place on, a record is too long, or the end is missing.
    """
    window = _Window(read, member, limit)
    window.skip("[")
    while (sign := window.next_sign()) != "]":
        line, value = window.value()
        yield _record(Place(line, member), value)
        if (sign := window.next_sign()) == ",":
            window.skip(",")
        elif sign != "]":
            raise UnreadableFile(f"Line {window.line} has {sign!r} where a comma or the end of the array belongs")
    window.skip("]")
    if sign := window.next_sign(at_end=True):
        raise UnreadableFile(f"Line {window.line} goes on with {sign!r} after the end of the array")


class _Window:
    """A part of the text of a file, from the next unread character on."""

    def __init__(self, read: Read, member: str, limit: int) -> None:
        self._read = read
        self._member = member
        self._limit = limit
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._text = ""
        self._at = 0
        self._ended = False
        self.line = 1

    def next_sign(self, *, at_end: bool = False) -> str:
        """The next character that is no white space; nothing at the end, where that is allowed."""
        while True:
            while self._at < len(self._text):
                sign = self._text[self._at]
                if sign not in " \t\r\n":
                    return sign
                self.line += sign == "\n"
                self._at += 1
            if not self._fill():
                if at_end:
                    return ""
                raise self._cut_off()

    def skip(self, sign: str) -> None:
        """Go on behind this character, which is the next."""
        if self.next_sign() != sign:
            raise UnreadableFile(f"Line {self.line} does not begin with {sign!r}")
        self._at += 1

    def value(self) -> tuple[int, Any]:
        """The next value, and the line in which it begins."""
        line = self.line
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                # It may only be that the rest of the value is not in the window yet.
                if self._fill():
                    continue
                if _ends_early(error, self._text):
                    raise self._cut_off() from error
                raise UnreadableFile(
                    f"The record in {self._place(line)} is no JSON: {json_complaint(error)}"
                ) from error
            if end == len(self._text) and self._fill():
                continue  # a number, for instance, may go on
            self.line += self._text.count("\n", self._at, end)
            self._at = end
            return line, value

    def _fill(self) -> bool:
        """Read on; False at the end."""
        if self._ended:
            return False
        held = self._text[self._at :]
        if len(held) > self._limit:
            raise UnreadableFile(f"The record in {self._place(self.line)} is longer than {self._limit:,} characters")
        chunk = self._read(max(CHUNK, len(held)))
        self._ended = not chunk
        self._text, self._at = held + self._decode(chunk, self._ended), 0
        return True

    def _place(self, line: int) -> Place:
        return Place(line, self._member)

    def _cut_off(self) -> UnreadableFile:
        return UnreadableFile(f"The file ends before its JSON array does, in {self._place(self.line)}")


def _record(place: Place, value: object) -> Record | Rejected:
    if not isinstance(value, dict):
        return Rejected(place, "", _NO_OBJECT)
    return Record(place, {key.lower(): item for key, item in cast("dict[str, Any]", value).items()})


def _ends_early(error: Exception, text: str) -> bool:
    return isinstance(error, JSONDecodeError) and (
        error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip())
    )
