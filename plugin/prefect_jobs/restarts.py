"""What `prefect-jobs up` had to start again, for the readiness of the adapter: a small file in the data folder, because
the adapter may be the one that was started again, and knows nothing of what happened before."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

FILE = "restarts.json"
KEPT = 20
TOLD_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Restart:
    """A process that was started again."""

    name: str
    at: datetime
    why: str
    silent: bool
    """It lived and did not answer; else it ended by itself."""
    back: bool = False
    """It lives again."""

    @property
    def sentence(self) -> str:
        """What to say of it."""
        return f"{self.name} {self.why}; it {'was' if self.back else 'is being'} started again"


class RestartBook:
    """The writing side, one for each `up`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._held: list[Restart] = []
        self._write()

    def ended(self, name: str, why: str, *, silent: bool) -> None:
        """Note that a process is being started again."""
        self._held = [*self._held, Restart(name, datetime.now(UTC), why, silent)][-KEPT:]
        self._write()

    def back(self, name: str) -> None:
        """Note that it lives again."""
        self._held = [replace(one, back=True) if one.name == name else one for one in self._held]
        self._write()

    def close(self) -> None:
        """Forget everything: nobody starts anything again."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        # A full disk must not take the supervisor away.
        with suppress(OSError):
            part = self._file.with_suffix(".part")
            part.unlink(missing_ok=True)
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump([asdict(one) for one in self._held], file, default=datetime.isoformat)
            part.rename(self._file)


def recent_restarts(folder: Path, *, now: datetime) -> list[Restart]:
    """What was started again lately, oldest first; nothing where no `up` is at work."""
    try:
        held = json.loads((folder / FILE).read_text(encoding="utf-8"))
        found = [
            Restart(
                str(one["name"]),
                datetime.fromisoformat(one["at"]),
                str(one["why"]),
                bool(one["silent"]),
                bool(one["back"]),
            )
            for one in held
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return [one for one in found if now - one.at < TOLD_FOR]
