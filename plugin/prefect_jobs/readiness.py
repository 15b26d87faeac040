"""Whether this process does its work, part by part, and why not.

Each process speaks for itself: of its own way to Prefect, its own way to the index's database, and of what keeps the
index true, which may be another process. What is said comes from when it was last seen to be so, never from what was
said before.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One part: whether it does its work. One that does may have something to say as well."""

    up: bool = True
    reasons: tuple[str, ...] = ()


class Readiness:
    """The parts that all must do their work before anybody is sent here. Whoever knows of one more adds it."""

    def __init__(self) -> None:
        self._looks: dict[str, Callable[[], Part]] = {}

    def add(self, name: str, look: Callable[[], Part]) -> None:
        """Ask this of the part of that name, each time that somebody wants to know. It must not take any time."""
        self._looks[name] = look

    def parts(self) -> dict[str, Part]:
        """Each part as it is now, by name."""
        return {name: look() for name, look in self._looks.items()}


class Proof:
    """When something was last seen to work, and what went wrong since.

    Args:
        what: its name, for the reason.
        stale: seconds after which an old proof proves nothing.
        clock: seconds that only grow.
    """

    def __init__(self, what: str, *, stale: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._stale = stale
        self._clock = clock
        self._worked_at: float | None = None
        self._works_since = clock()
        self._problem = ""

    def worked(self, began: float | None = None) -> None:
        """It did, at least at the time when this began."""
        now = self._clock()
        if self._problem or self.age >= self._stale:
            self._works_since = now
        self._problem = ""
        self._worked_at = max(self._worked_at or -math.inf, now if began is None else began)

    def failed(self, reason: str) -> None:
        """It did not."""
        self._problem = reason or "it failed"

    @property
    def age(self) -> float:
        """Seconds since it was last seen to work; without end where it never was."""
        return math.inf if self._worked_at is None else self._clock() - self._worked_at

    @property
    def steady(self) -> float:
        """Seconds for which it has worked without an interruption; 0 while it does not."""
        return self._clock() - self._works_since if self.part().up else 0.0

    def part(self) -> Part:
        """What can be said of it now."""
        if self._problem:
            return Part(up=False, reasons=(self._problem,))
        age = self.age
        if age == math.inf:
            return Part(up=False, reasons=(f"{self._what} has not answered yet",))
        if age >= self._stale:
            return Part(up=False, reasons=(f"{self._what} has not answered for {age:.0f} s",))
        return Part()
