"""What a sidecar is told at its start, and later by the job: the words of both sides."""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUNNING, RETURNED, RAISED, STOPPED = "running", "returned", "raised", "stopped"
REPORTED, INTERRUPTED = "reported", "interrupted"
"""The phases of an attempt: its body runs, returned, raised an error, ended because it was asked to stop, has returned
and what it returned is with the server, or was interrupted by a signal."""
ERROR_LIMIT = 2_000
"""Characters of an error that are passed on."""


class Orders:
    """Which attempt to watch, and how to reach those who know about it.

    `attempt` is the run's `run_count`, `state_id` its Running state. `alone` says that the process was started for this
    run and serves nobody else. `deadline` is on this machine's monotonic clock,
    `limit` the seconds that it stands for. `adapter_url` is None without an adapter.
    """

    __slots__ = (
        "adapter_headers",
        "adapter_url",
        "alone",
        "api_headers",
        "api_url",
        "attempt",
        "deadline",
        "limit",
        "mark",
        "page_fd",
        "pid",
        "pidfd",
        "run_id",
        "state_id",
        "trust",
    )

    def __init__(self, fields: "dict[str, Any]") -> None:
        self.run_id: str = fields["run_id"]
        self.attempt: int = fields["attempt"]
        self.state_id: str = fields["state_id"]
        self.alone: bool = fields["alone"]
        self.api_url: str = fields["api_url"]
        self.api_headers: dict[str, str] = fields["api_headers"]
        self.trust: str | None = fields["trust"]
        self.adapter_url: str | None = fields["adapter_url"]
        self.adapter_headers: dict[str, str] = fields["adapter_headers"]
        self.deadline: float | None = fields["deadline"]
        self.limit: float | None = fields["limit"]
        self.pid: int = fields["pid"]
        self.pidfd: int = fields["pidfd"]
        self.page_fd: int = fields["page_fd"]
        self.mark: str = fields["mark"]

    def line(self) -> bytes:
        """The orders as the first line that a sidecar reads."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}).encode() + b"\n"


def phase_line(phase: str, error: str | None = None) -> bytes:
    """What a job tells when its body ended."""
    return json.dumps([phase, error and error[:ERROR_LIMIT]]).encode() + b"\n"


def read_phase(line: bytes) -> tuple[str, str | None]:
    """What a job told."""
    phase, error = json.loads(line)
    return str(phase), error
