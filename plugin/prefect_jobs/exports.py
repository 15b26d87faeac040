"""The names and types of what jobs publish for download, shared by those who write files and those who serve them."""

import re
from datetime import datetime
from uuid import UUID

from prefect_jobs.iso_time import as_utc

EXTENSIONS = {"csv": "csv", "json": "json", "zip": "zip", "excel": "xlsx"}
"""The export formats, and how the names of their files end."""

CONTENT_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "zip": "application/zip",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""How a file is served, by the end of its name."""

EXPORT_FILE_NAME = re.compile(r"events_export_\d{8}_\d{6}_[0-9a-f]{8}\.(csv|json|zip|xlsx)", re.ASCII)
"""Use with `fullmatch`: a name that an export may have given; hidden files and paths never match."""

PUBLISHED_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}_[0-9a-f]{8}\.[A-Za-z0-9]{1,10}", re.ASCII)
"""Use with `fullmatch`: a name that a job may have published a file under; exports are among them."""

EXPORTS_PATH = "/api/exports"
"""Where the jobs API serves export files."""


class UnsupportedFormat(ValueError):
    """Unsupported export format: {format}"""

    def __init__(self, format: str) -> None:
        super().__init__(f"Unsupported export format: {format}")


def require_format(format: str) -> None:
    """Raise `UnsupportedFormat` unless the format is one of `EXTENSIONS`."""
    if format not in EXTENSIONS:
        raise UnsupportedFormat(format)


def export_stem(run_id: UUID, at: datetime) -> str:
    """The file name of an export without its extension: `events_export_20260304_081552_5d1c0f4e` (UTC)."""
    return f"events_export_{as_utc(at):%Y%m%d_%H%M%S}_{run_id.hex[:8]}"


def published_name(name: str, run_id: UUID) -> str:
    """The name of a file that a run publishes: `report.pdf` becomes `report_5d1c0f4e.pdf`.

    Raises `ValueError` when that is no `PUBLISHED_FILE_NAME`.
    """
    stem, dot, extension = name.rpartition(".")
    final = f"{stem}_{run_id.hex[:8]}{dot}{extension}"
    if not PUBLISHED_FILE_NAME.fullmatch(final):
        raise ValueError(f"A file cannot be published under this name: {name!r}")
    return final
