"""The short way to a stop: one question at the jobs adapter that is answered when the job's state changes.

Asking Prefect once a second would cost its server a percent of a core for each job, and be late by half a second. The
adapter only wakes the sidecar, which then asks Prefect: so it may be wrong, slow, or away, and nothing worse happens
than being late. Whenever it turned out useless, Prefect is asked every second for a while.
"""

import time

from prefect_jobs.sidecar.http_call import HttpApi, Pending, Refused, Unclear

WAIT = 20.0
"""Seconds after which the adapter answers although nothing changed."""
ANSWERS_WITHIN = WAIT + 5.0
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0


class AdapterLine:
    """The open question at the adapter, if there is an adapter."""

    def __init__(self, api: HttpApi | None, run_id: str) -> None:
        self._api = api
        self._path = f"/jobs/{run_id}/wait"
        self._pending: Pending | None = None
        self._asked_at = 0.0
        self._not_before = 0.0
        self._pause = FIRST_PAUSE

    @property
    def open(self) -> bool:
        """Whether the adapter is going to wake us."""
        return self._pending is not None

    def fileno(self) -> int:
        """The descriptor that becomes readable with the answer, while it is open."""
        assert self._pending is not None, "expected an open line"
        return self._pending.fileno()

    def ask(self, known: str) -> None:
        """Ask to be woken when the job's state is not this one, unless it is asked already or useless at present."""
        now = time.monotonic()
        if self._pending is not None:
            if now > self._asked_at + ANSWERS_WITHIN:
                self.give_up()
            return
        if self._api is None or now < self._not_before:
            return
        try:
            self._pending = self._api.begin("GET", f"{self._path}?state={known}&timeout={WAIT:g}&alive=true")
            self._asked_at = now
        except Unclear:
            self.give_up()

    def answer(self) -> str | None:
        """Take the answer that has come: the job's state as the adapter has it; None when it is no answer."""
        pending, self._pending = self._pending, None
        assert pending is not None, "expected an open line"
        try:
            state = str(pending.finish(time.monotonic() + 2.0)["state"])
        except (Unclear, Refused, KeyError, TypeError):
            self.give_up()
            return None
        if time.monotonic() < self._asked_at + 0.5:
            self._not_before = time.monotonic() + 1.0  # it knows less than we, and would answer at once again
        self._pause = FIRST_PAUSE
        return state

    def give_up(self) -> None:
        """Ask no more for a while, longer each time."""
        self.close()
        self._not_before = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def close(self) -> None:
        """Ask no more."""
        if self._pending is not None:
            self._pending.close()
            self._pending = None
