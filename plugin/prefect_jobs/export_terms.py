"""What was promised about an export file when it was ordered: how long it stays, and whether it may go at all.

It lies beside the file, and not in a database: a legal hold must not be lost when an older backup of the event store is
restored. It is written before the file appears, and who cannot read it leaves the file alone.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_PREFIX, _SUFFIX = ".", ".terms"


class TermsUnreadable(Exception):
    """The terms of the export file {name} cannot be read: {reason}"""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The terms of the export file {name} cannot be read: {reason}")


@dataclass(frozen=True)
class ExportTerms:
    """The terms of one export file."""

    job_id: str
    retention_days: int | None = None
    """Days after which the file may be removed; None: whatever the cleanup is told."""
    legal_hold: bool = False
    """Whether no cleanup may remove it."""
    compliance_metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    """Whatever the one who ordered the export wants to be kept with it."""


def _terms_file(folder: Path, name: str) -> Path:
    return folder / f"{_PREFIX}{name}{_SUFFIX}"


def write_terms(folder: Path, name: str, terms: ExportTerms) -> None:
    """Write down the terms of the file `name`, on disk when this returns."""
    with open(_terms_file(folder, name), "w", encoding="utf-8", opener=_owners_alone) as file:
        json.dump(asdict(terms), file)
        file.flush()
        os.fsync(file.fileno())


def read_terms(folder: Path, name: str) -> ExportTerms | None:
    """The terms of the file `name`, or None when nothing was promised. Raises `TermsUnreadable`."""
    try:
        return ExportTerms(**json.loads(_terms_file(folder, name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise TermsUnreadable(name, str(error)) from error


def forget_terms(folder: Path, name: str) -> None:
    """Remove the terms of a file that is gone."""
    with suppress(FileNotFoundError):
        _terms_file(folder, name).unlink()


def _owners_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
