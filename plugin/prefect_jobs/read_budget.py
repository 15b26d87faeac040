"""Reading jobs and their logs must not wear Prefect out: however many there are, so many questions a second are asked
and no more. Who waits for an answer goes first; what happens in the background takes what is left.
"""

import asyncio
import time
from collections.abc import Callable


class ReadBudget:
    """Questions that may be asked, a second.

    Args:
        rate: questions a second, also how many may come at once.
        clock: seconds that only grow.
    """

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._left = rate
        self._at = clock()

    async def take(self, *, urgent: bool) -> None:
        """Wait until one more question may be asked.

        Urgent ones may borrow from the next second; the others leave half a second's worth to them.
        """
        while True:
            missing = self._missing(urgent=urgent)
            if missing <= 0:
                self._left -= 1
                return
            await asyncio.sleep(missing / self.rate)

    def spend(self, count: int = 1) -> None:
        """Count questions that could not wait. Those that can will wait the longer, by two seconds at most."""
        self._refill()
        self._left = max(-2 * self.rate, self._left - count)

    @property
    def overdrawn(self) -> bool:
        """Whether more was asked than may be."""
        self._refill()
        return self._left < 0

    def _missing(self, *, urgent: bool) -> float:
        self._refill()
        floor = -self.rate if urgent else self.rate / 2
        return floor + min(1.0, self.rate / 2) - self._left

    def _refill(self) -> None:
        now = self._clock()
        self._left = min(self.rate, self._left + (now - self._at) * self.rate)
        self._at = now
