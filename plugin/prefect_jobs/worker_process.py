"""Which process a worker is. A worker's name may be anybody's choice, and process ids come round again; the host and
the moment of its start, together with the id, tell a process from every other, also after the machine started anew.

Prefect keeps the name and the heartbeat of a worker and nothing else. So a worker writes what it is as a label on each
run that it takes, and adapter and other workers read it there.
"""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from prefect_jobs import __version__
from prefect_jobs.clean_text import clean
from prefect_jobs.processes import process_space, start_time
from prefect_jobs.report_names import WORKER_LABEL, WORKER_NAME_LABEL


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """One process of `prefect-jobs work`."""

    name: str
    """The worker's name in Prefect."""
    host: str
    space: str
    """In which process ids are one number space: a container's is its own."""
    pid: int
    started: int | None
    """When it started, in the kernel's clock ticks; None where that cannot be seen."""
    version: str
    """Of prefect-jobs."""
    limit: int
    """How many jobs it runs at once."""

    @classmethod
    def this(cls, name: str, limit: int) -> "WorkerProcess":
        """The process that asks."""
        pid = os.getpid()
        return cls(name, socket.gethostname(), process_space(), pid, start_time(pid), __version__, limit)

    @classmethod
    def of_run(cls, labels: Mapping[str, Any]) -> "WorkerProcess | None":
        """The worker of ours that took a run last; None when another kind of worker has taken it since, or did."""
        found = cls.parse(labels.get(WORKER_LABEL))
        return found if found is not None and found.name == labels.get(WORKER_NAME_LABEL) else None

    @classmethod
    def parse(cls, text: object) -> "WorkerProcess | None":
        """Read a label; what is none of ours is no worker of ours."""
        try:
            fields: dict[str, Any] = json.loads(text) if isinstance(text, str) else {}
            started = fields["started"]
            return cls(
                clean(str(fields["name"])),
                clean(str(fields["host"])),
                str(fields["space"]),
                int(fields["pid"]),
                None if started is None else int(started),
                clean(str(fields["version"])),
                int(fields["limit"]),
            )
        except (ValueError, KeyError, TypeError):
            return None

    def label(self) -> str:
        """The text of the label on a run."""
        return json.dumps(asdict(self))

    @property
    def visible(self) -> bool:
        """Whether this process would see it if it lived."""
        mine = (socket.gethostname(), process_space())
        return self.started is not None and (self.host, self.space) == mine

    @property
    def lives(self) -> bool:
        """Whether it lives; it must be visible."""
        return start_time(self.pid) == self.started
