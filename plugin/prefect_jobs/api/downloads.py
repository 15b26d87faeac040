"""Finding a finished file by the name somebody asks for, and sending it."""

import re
from pathlib import Path

from fastapi.responses import FileResponse

from prefect_jobs.exports import CONTENT_TYPES, PUBLISHED_FILE_NAME


def finished_file(folder: Path, name: str, names: re.Pattern[str] = PUBLISHED_FILE_NAME) -> Path | None:
    """The file of this name, or None. Nothing outside of the folder is ever found, nor through a link."""
    if not names.fullmatch(name):
        return None
    path = folder / name
    return path if path.is_file() and not path.is_symlink() else None


def content_type(path: Path) -> str:
    """How a file is served."""
    return CONTENT_TYPES.get(path.suffix.removeprefix("."), "application/octet-stream")


def file_answer(path: Path) -> FileResponse:
    """The download of a file."""
    return FileResponse(
        path,
        filename=path.name,
        media_type=content_type(path),
        # A browser must take even a hostile export as the file it says it is.
        headers={"X-Content-Type-Options": "nosniff"},
    )
