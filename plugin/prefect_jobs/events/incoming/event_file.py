"""A file of events, told from its content and not from its name: CSV, a JSON array, JSON Lines, or a ZIP of these.

Whatever it claims, reading it takes a few megabytes of memory and no room on disk: archives are unpacked as they are
read, and only so far as their limits allow.
"""

import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from prefect_jobs.events.complaints import archive_complaint
from prefect_jobs.events.incoming.csv_records import csv_records
from prefect_jobs.events.incoming.json_records import json_array, json_lines
from prefect_jobs.events.incoming.lines import Read, begun
from prefect_jobs.events.incoming.records import Record, Rejected, UnreadableFile

MEMBERS = 1_000
"""Files in one archive."""
RATIO = 200
"""How many times its packed size a member may take, beyond `FREE`: text of real events takes 5 to 30 times."""
FREE = 10 << 20

_ARCHIVE_STARTS = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass
class EventFile:
    """An open file of events."""

    file: BinaryIO
    unpacked_limit: int
    """Bytes that the members of an archive may have altogether."""

    @property
    def done(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        size = os.fstat(self.file.fileno()).st_size
        return min(1.0, self.file.tell() / size) if size else 1.0

    def records(self) -> Iterator[Record | Rejected]:
        """Every row of the file, as it comes.

        Raises:
            UnreadableFile: the file as a whole is no good, or not from here on.
        """
        start = self.file.read(4)
        self.file.seek(0)
        if start in _ARCHIVE_STARTS:
            yield from self._unpacked()
        else:
            yield from _records_of(self.file.read, "")

    def _unpacked(self) -> Iterator[Record | Rejected]:
        try:
            with zipfile.ZipFile(self.file) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                if len(members) > MEMBERS:
                    raise UnreadableFile(f"The archive has more than {MEMBERS:,} files")
                if any(member.filename == "manifest.json" for member in members):
                    raise UnreadableFile("The archive is a backup: restore it instead")
                left = self.unpacked_limit
                for member in members:
                    if member.flag_bits & 1:
                        raise UnreadableFile(f"{member.filename} in the archive is encrypted")
                    with archive.open(member) as unpacked:
                        meter = _Meter(unpacked.read, member, left)
                        yield from _records_of(meter.read, member.filename)
                        left = meter.left
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise UnreadableFile(f"The archive is damaged, or not whole: {archive_complaint(error)}") from error


class _Meter:
    """Reads a member of an archive as far as the limits go."""

    def __init__(self, read: Read, member: zipfile.ZipInfo, left: int) -> None:
        self._read = read
        self._member = member
        self.left = left
        self._allowed = FREE + RATIO * member.compress_size

    def read(self, size: int) -> bytes:
        chunk = self._read(size)
        self.left -= len(chunk)
        self._allowed -= len(chunk)
        if self.left < 0:
            raise UnreadableFile("The files in the archive are larger than PREFECT_JOBS_UNPACKED_LIMIT allows")
        if self._allowed < 0:
            name = self._member.filename
            raise UnreadableFile(f"{name} in the archive takes more than {RATIO} times its packed size")
        return chunk


def _records_of(read: Read, member: str) -> Iterator[Record | Rejected]:
    try:
        first, read = begun(read)
        if first.startswith(_ARCHIVE_STARTS):
            raise UnreadableFile("It is an archive within an archive")
        sign = first.lstrip()[:1]
        reader = {b"[": json_array, b"{": json_lines}.get(sign, csv_records)
        yield from reader(read, member)
    except UnreadableFile as error:
        if not member or member in str(error):
            raise
        raise UnreadableFile(f"{member}: {error}") from error


def open_confined(root: Path, name: str) -> BinaryIO:
    """Open a regular file below a folder, whatever `..` or links its name leads through.

    Raises:
        ValueError: it is not there, no regular file, or lies elsewhere.
    """
    folder = root.resolve()
    try:
        path = (folder / name).resolve(strict=True)
        if not path.is_relative_to(folder) or not path.is_file():
            raise OSError
        return open(path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NOFOLLOW | os.O_CLOEXEC))
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"There is no file {name!r} in the folder it may be read from") from error
