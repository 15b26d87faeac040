"""What the parsers of the standard library complain of, in words for whoever made the file.

Their own are for whoever calls them: `Error -3 while decompressing data: invalid stored block lengths`,
`Manifest.__init__() missing 1 required positional argument`, `use sys.set_int_max_str_digits()`.
"""

import zipfile
from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any

BROKEN_ARCHIVE = (zipfile.BadZipFile, EOFError, NotImplementedError, KeyError, RuntimeError)
"""What reading a damaged archive raises, besides `zlib.error`."""

_OF_JSON: Mapping[str, str] = {
    "Expecting value": "Expecting value",
    "Expecting property name": "a name in double quotes is missing",
    "Expecting ':'": "the colon behind a name is missing",
    "Expecting ','": "a comma is missing",
    "Illegal trailing comma": "a comma stands before a closing bracket",
    "Invalid control character": "a text holds a line end or another control character",
    "Invalid \\": "a text has a backslash before what JSON does not know",
    "Unterminated string": "a text has no closing quote",
    "Extra data": "something follows behind it",
}
_OF_ARCHIVES: Mapping[str, str] = {
    "not a zip file": "it is no ZIP archive, or its end is missing",
    "no item named": "there is no item named {item}",
    "Bad CRC": "Bad CRC-32: a file in it is not the one that was packed",
    "decompress": "a file in it cannot be unpacked",
    "truncated": "it is cut off",
    "password": "a file in it is encrypted",
    "compression": "a file in it is packed in a way that is not read here",
}


def json_complaint(error: Exception) -> str:
    """What is wrong with a text that is no JSON: of `json` or of a hook of ours, which has words already."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if not isinstance(error, JSONDecodeError):
        said = str(error)
        return "Exceeds the limit of digits that a number may have" if "sys.set_int" in said else said
    return next((words for sign, words in _OF_JSON.items() if error.msg.startswith(sign)), "it cannot be read")


def archive_complaint(error: Exception) -> str:
    """What is wrong with an archive, by what reading it raised."""
    said = str(error.args[0]) if error.args else ""
    item: Any = said.partition("named ")[2].partition(" in the archive")[0]
    found = next((words for sign, words in _OF_ARCHIVES.items() if sign.lower() in said.lower()), None)
    return (found or "it is cut off or damaged").format(item=item)


def rows_complaint(said: str) -> str:
    """Why a database does not take rows, by what it says."""
    for signs, words in (
        (("FOREIGN KEY", "foreign key"), "by a foreign key a row refers to one that is not there"),
        (("UNIQUE", "unique"), "two rows have the same id"),
        (("NOT NULL", "not-null"), "a row lacks a value that it must have"),
    ):
        if any(sign in said for sign in signs):
            return words
    return said
