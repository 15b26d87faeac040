"""The archive of a backup: `manifest.json`, and each table as `<table>.json`, counted and with its checksum.

Whoever reads a table from it is told at its end if it is not the one that was written: a member that was cut, changed
or exchanged has another checksum or another number of rows.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, cast

from prefect_jobs.events.complaints import BROKEN_ARCHIVE, archive_complaint, json_complaint
from prefect_jobs.events.incoming.json_records import json_array
from prefect_jobs.events.incoming.records import Record, UnreadableFile

VERSION = "1.0"
MANIFEST = "manifest.json"
MANIFEST_LIMIT = 1 << 20
ROW_LIMIT = 64 << 20
"""Bytes of one row; the store limits no text."""


class DamagedBackup(Exception):
    """The backup is damaged, or is none: {reason}"""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The backup is damaged, or is none: {reason}")


class NewerBackup(Exception):
    """The backup was made by a newer release of prefect-jobs."""

    def __init__(self, schema: str) -> None:
        super().__init__(f"The backup was made by a newer release of prefect-jobs (its tables are at {schema!r})")


@dataclass(frozen=True)
class Manifest:
    """What an archive says of itself."""

    backup_id: str
    created_at: str
    app_version: str | None
    schema: str
    """The migration that the tables are at."""
    database: str
    """`sqlite` or `postgresql`: where the rows come from."""
    contents: Mapping[str, Mapping[str, Any]]
    """`count` and `checksum` (SHA-256 of the member) of each table."""
    version: str = VERSION

    def count(self, table: str) -> int:
        """How many rows of a table there are."""
        return int(self.contents[table]["count"]) if table in self.contents else 0


class ArchiveWriter:
    """Writes tables one after another, and the manifest at the end; leave its block to complete the archive."""

    def __init__(self, file: BinaryIO) -> None:
        self._archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self.contents: dict[str, dict[str, Any]] = {}

    def write_table(self, name: str, batches: Iterable[list[dict[str, Any]]]) -> None:
        """Write a table as a JSON array, a row a line."""
        checksum, count = hashlib.sha256(), 0
        with self._archive.open(f"{name}.json", "w", force_zip64=True) as member:

            def put(text: str) -> None:
                data = text.encode()
                checksum.update(data)
                member.write(data)

            put("[")
            for rows in batches:
                lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
                put((",\n" if count else "\n") + ",\n".join(lines))
                count += len(rows)
            put("\n]\n")
        self.contents[name] = {"count": count, "checksum": checksum.hexdigest()}

    def write_manifest(self, backup_id: str, at: datetime, app_version: str, schema: str, database: str) -> Manifest:
        """Write what the archive says of itself."""
        manifest = Manifest(backup_id, at.isoformat(), app_version, schema, database, self.contents)
        self._archive.writestr(MANIFEST, json.dumps(vars(manifest), indent=2))
        return manifest

    def __enter__(self) -> "ArchiveWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()  # writes its directory; the file stays open


class ArchiveReader:
    """An archive that is open for reading.

    Raises:
        DamagedBackup: it is no archive, or its manifest is missing or makes no sense.
    """

    def __init__(self, file: BinaryIO, *, unpacked_limit: int | None = None) -> None:
        try:
            self._archive = zipfile.ZipFile(file)
            with self._archive.open(MANIFEST) as member:
                text = member.read(MANIFEST_LIMIT + 1)
            self.manifest = _manifest(json.loads(text))
        except ValueError as error:
            raise DamagedBackup(f"its manifest cannot be read ({json_complaint(error)})") from error
        except (*BROKEN_ARCHIVE, zlib.error) as error:
            raise DamagedBackup(archive_complaint(error)) from error
        self._left = unpacked_limit

    def rows(self, table: str) -> Iterator[Mapping[str, Any]]:
        """The rows of a table, none where the archive does not have it.

        Raises:
            DamagedBackup: at the latest at the end, if they are not the rows that were written.
        """
        if table not in self.manifest.contents:
            return
        checksum, count = hashlib.sha256(), 0
        try:
            with self._archive.open(f"{table}.json") as member:

                def read(size: int) -> bytes:
                    data = member.read(size)
                    checksum.update(data)
                    self._count_bytes(len(data))
                    return data

                for found in json_array(read, limit=ROW_LIMIT):
                    if not isinstance(found, Record):
                        raise DamagedBackup(f"{table}.json holds something that is no row")
                    count += 1
                    yield found.fields
        except (*BROKEN_ARCHIVE, zlib.error) as error:
            raise DamagedBackup(f"{table}.json cannot be read ({archive_complaint(error)})") from error
        except UnreadableFile as error:
            raise DamagedBackup(f"{table}.json cannot be read ({error})") from error
        if checksum.hexdigest() != self.manifest.contents[table]["checksum"]:
            raise DamagedBackup(f"{table}.json is not the one that was written: its checksum differs")
        if count != self.manifest.count(table):
            raise DamagedBackup(f"{table}.json has {count} rows, and the manifest says {self.manifest.count(table)}")

    def _count_bytes(self, size: int) -> None:
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise DamagedBackup("its tables are larger than PREFECT_JOBS_UNPACKED_LIMIT allows")


def _manifest(data: Any) -> Manifest:
    if not isinstance(data, dict):
        raise ValueError("it is no object")
    fields = cast("dict[str, Any]", data)
    if str(fields.get("version", "")).partition(".")[0] != VERSION.partition(".")[0]:
        raise ValueError(f"its version is {fields.get('version')!r}, and this release reads {VERSION}")
    names = Manifest.__dataclass_fields__
    if missing := [name for name in names if name not in fields]:
        raise ValueError(f"something is missing: {', '.join(missing)}")
    try:
        manifest = Manifest(**{name: fields[name] for name in names})
        for entry in manifest.contents.values():
            if not isinstance(entry["checksum"], str) or not isinstance(entry["count"], int):
                raise ValueError("its contents are no counts and checksums")
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("something is missing: counts and checksums of its contents") from error
    return manifest
