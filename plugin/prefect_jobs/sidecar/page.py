"""The memory that a job and its sidecar share: what the sidecar has to say to a job that never listens.

The first byte is the flag that checkpoints look at. It is set last, when what it stands for is already written, so a
job that sees it finds who asked.
"""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from typing import Any

SIZE = 4096
NOT_ASKED, STOP, NOT_OURS = 0, 1, 2
"""The flag: go on; stop and say so; stop and say nothing, because the run's state is somebody else's by now."""
_FLAG, _SETTLED, _LENGTH, _TEXT = 0, 1, 2, 4
MESSAGE_LIMIT = 1_000
"""Characters of the message of a request that are passed on."""


class StopRequest:
    """Somebody asked a job to stop. Times are seconds since the epoch."""

    __slots__ = ("asked", "delivered", "message")

    def __init__(self, message: str, asked: float, delivered: float) -> None:
        self.message = message
        self.asked = asked
        self.delivered = delivered


class Page:
    """One attempt's memory."""

    def __init__(self, memory: "mmap.mmap | bytearray") -> None:
        self.memory = memory

    @property
    def flag(self) -> int:
        """What the sidecar wants of the job."""
        return self.memory[_FLAG]

    def raise_flag(self, request: StopRequest, flag: int = STOP) -> None:
        """Ask the job to stop."""
        text = json.dumps([request.message[:MESSAGE_LIMIT], request.asked, request.delivered]).encode()
        if len(text) > SIZE - _TEXT:  # letters that take many bytes each
            text = json.dumps(["", request.asked, request.delivered]).encode()
        self.memory[_TEXT : _TEXT + len(text)] = text
        self.memory[_LENGTH:_TEXT] = len(text).to_bytes(2, "little")
        self.memory[_FLAG] = flag

    def request(self) -> StopRequest | None:
        """Who asked the job to stop, once the flag is raised."""
        if not self.flag:
            return None
        length = int.from_bytes(bytes(self.memory[_LENGTH:_TEXT]), "little")
        fields: list[Any] = json.loads(bytes(self.memory[_TEXT : _TEXT + length]))
        return StopRequest(*fields)

    @property
    def settled(self) -> bool:
        """Whether the sidecar has put the state of a job that ended right."""
        return self.memory[_SETTLED] != 0

    def settle(self) -> None:
        """Say so."""
        self.memory[_SETTLED] = 1
