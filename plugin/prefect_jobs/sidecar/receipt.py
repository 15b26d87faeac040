"""The receipt of a stop: what was asked, when the job heard of it, how it ended, and which processes died.

It is text at the end of a state's message, because that is what survives everything: Prefect keeps it with the run,
shows it in its own pages, and the adapter reads it back from there. So the words are fixed, here and nowhere else.
"""

import re
from datetime import UTC, datetime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NAMED_PROCESSES = 20
"""Processes that a receipt names; of further ones it tells how many."""

Process = tuple[int, str]
"""A process: its id and its name."""

_WORDS = "stopped|finished|failed|killed|ended"
_TEXT = re.compile(
    r"Receipt: (?P<cause>asked|due|died) (?P<asked>\S+), (?:delivered|noticed) after (?P<delivered>[\d.]+) s, "
    rf"(?P<how>{_WORDS}) after (?P<after>[\d.]+) s"
    r"(?:: (?P<processes>\d+ [^\s,]+(?:, \d+ [^\s,]+)*)(?: and (?P<more>\d+) more)?)?"
    r"(?:; not killed: (?P<left>\d+ [^\s,]+(?:, \d+ [^\s,]+)*))?\.$"
)


class Receipt:
    """How a stop went. Times are seconds since the epoch.

    `how` the job ended: `stopped` at a checkpoint, `finished` or `failed` by itself before it could be stopped,
    `killed`, or `ended` otherwise. `processes` were killed, `more` were not named, `left` could not be killed. `cause`
    says what `asked` is the time of: somebody `asked`, its time limit was `due`, or its process `died`.
    """

    __slots__ = ("asked", "cause", "delivered", "ended", "how", "left", "more", "processes")

    def __init__(
        self,
        asked: float,
        delivered: float,
        ended: float,
        how: str,
        processes: "Sequence[Process]" = (),
        *,
        more: int = 0,
        left: "Sequence[Process]" = (),
        cause: str = "asked",
    ) -> None:
        self.asked = asked
        self.delivered = delivered
        self.ended = ended
        self.how = how
        self.processes = tuple(processes)
        self.more = more
        self.left = tuple(left)
        self.cause = cause

    def text(self) -> str:
        """The receipt as the end of a message."""
        named = self.processes[:NAMED_PROCESSES]
        more = self.more + len(self.processes) - len(named)
        asked = datetime.fromtimestamp(self.asked, UTC).isoformat(timespec="milliseconds")
        return (
            f"Receipt: {self.cause} {asked.replace('+00:00', 'Z')}, "
            f"{'delivered' if self.cause == 'asked' else 'noticed'} after {self._since(self.delivered)} s, "
            f"{self.how} after {self._since(self.ended)} s"
            + (f": {_listed(named)}" if named else "")
            + (f" and {more} more" if more else "")
            + (f"; not killed: {_listed(self.left)}" if self.left else "")
            + "."
        )

    def _since(self, moment: float) -> str:
        return f"{max(0.0, moment - self.asked):.2f}"


def with_receipt(message: str, receipt: Receipt) -> str:
    """A message that ends with a receipt."""
    return f"{without_receipt(message).rstrip('. ')}. {receipt.text()}"


def find_receipt(message: str) -> Receipt | None:
    """The receipt at the end of a message, if there is one."""
    found = _TEXT.search(message)
    if found is None:
        return None
    try:
        asked = epoch(found["asked"])
    except ValueError:
        return None
    return Receipt(
        asked,
        asked + float(found["delivered"]),
        asked + float(found["after"]),
        found["how"],
        _read(found["processes"]),
        more=int(found["more"] or 0),
        left=_read(found["left"]),
        cause=found["cause"],
    )


def without_receipt(message: str) -> str:
    """A message without the receipt at its end."""
    text = _TEXT.sub("", message)
    return message if text == message else text.rstrip().removesuffix(".")


def epoch(timestamp: str) -> float:
    """An ISO 8601 time as seconds since the epoch. Raises `ValueError`."""
    moment = datetime.fromisoformat(timestamp)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _listed(processes: "Sequence[Process]") -> str:
    return ", ".join(f"{pid} {_plain(name)}" for pid, name in processes)


def _plain(name: str) -> str:
    """A process may be called anything, also `x, 1 y`."""
    return re.sub(r"[^\w.+:/-]", "_", name) or "_"


def _read(listed: str | None) -> list[Process]:
    pairs = [item.split(" ", 1) for item in listed.split(", ")] if listed else []
    return [(int(pid), name) for pid, name in pairs]
