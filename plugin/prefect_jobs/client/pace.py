"""How long the client waits for what, in seconds. Tests have none of that time."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The client's patience, all in seconds."""

    answer: float = 30.0
    """For one answer."""
    connect: float = 10.0
    """For a connection."""
    retry: tuple[float, ...] = (0.2, 0.4, 0.8)
    """Before each further try of a request that changes nothing."""
    longest_retry_after: float = 10.0
    """A server that wants a longer pause than this is reported, and not waited for."""
    reconnect: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)
    """Before each new connection of a stream that broke; up to a quarter is added by chance (contract 9.3)."""
    silence: float = 35.0
    """The change feed says its status every 15 s; longer than this without a word, and its connection is dead."""
    look: float = 20.0
    """A job that is waited for is asked for after this time without news."""
    look_without_feed: float = 1.0
    """The same where there is no change feed."""
    log_look: float = 5.0
    """A followed log that is quiet is looked after this often."""
    log_settles: float = 60.0
    """The log of an ended job that brings no more lines for so long is taken as complete."""
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def before_reconnect(self, failures: int) -> float | None:
        """The pause after so many failures in a row; None when it is time to give up."""
        if failures > len(self.reconnect):
            return None
        return self.reconnect[failures - 1] * (1 + random.random() / 4)
