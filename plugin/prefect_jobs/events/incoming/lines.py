"""Lines of a stream that may be hostile: none is held that is longer than a record may be.

`readline` would hold a line of four gigabytes, which fits into a ZIP archive of four megabytes.
"""

import codecs
from collections.abc import Callable, Iterator

from prefect_jobs.events.incoming.records import RECORD_LIMIT, UnreadableFile

CHUNK = 1 << 16
Read = Callable[[int], bytes]
"""Reads up to so many bytes, none at the end."""

_FOREIGN_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}  # in this order: UTF-32's begins like UTF-16's


def begun(read: Read) -> tuple[bytes, Read]:
    """The first bytes of a stream (without the mark of UTF-8), and how to read it from those bytes on.

    Raises:
        UnreadableFile: it is empty, or says of itself that it is not UTF-8.
    """
    first = read(CHUNK)
    for mark, name in _FOREIGN_MARKS.items():
        if first.startswith(mark):
            raise UnreadableFile(f"The file is {name}; write it as UTF-8")
    first = first.removeprefix(codecs.BOM_UTF8)
    if not first:
        raise UnreadableFile("The file is empty")
    waiting = first

    def read_on(size: int) -> bytes:
        nonlocal waiting
        if waiting:
            given, waiting = waiting[:size], waiting[size:]
            return given
        return read(size)

    return first, read_on


def lines(read: Read) -> Iterator[bytes]:
    """The lines of a stream with their line feeds.

    Raises:
        UnreadableFile: a line is longer than a record may be.
    """
    rest, number = b"", 0
    while chunk := read(CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            yield line + b"\n"
        if len(rest) > RECORD_LIMIT:
            raise UnreadableFile(f"Line {number + 1} is longer than {RECORD_LIMIT:,} bytes")
    if rest:
        yield rest
