"""One run on Prefect's server, as the sidecar reads and writes it.

Prefect knows no "only if it is still so", and a forced write even raises an ended run from the dead. So every write
looks first whether the run is still in the state that the decision was made on, and again afterwards: an end that came
in between is put back.
"""

import time
import uuid

from prefect_jobs.sidecar.http_call import HttpApi, Refused, Unclear
from prefect_jobs.sidecar.receipt import epoch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

TERMINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
TRIES = 3
PAUSE = 0.3
DEFAULT_CANCELLING_TIMEOUT = 300.0


class State:
    """A state of a run; `run_count` is that of the moment it was read, or 0."""

    __slots__ = ("id", "message", "name", "run_count", "timestamp", "type")

    def __init__(self, fields: "dict[str, Any]", run_count: int = 0) -> None:
        self.id = str(fields["id"])
        self.type = str(fields["type"])
        self.name = str(fields["name"])
        self.message = str(fields["message"] or "")
        self.timestamp = str(fields["timestamp"])
        self.run_count = run_count

    @property
    def terminal(self) -> bool:
        """Whether the run has ended."""
        return self.type in TERMINAL


class Overtaken(Exception):
    """Somebody else wrote a state of the run meanwhile, which stands."""


class RunApi:
    """Asks about one attempt of a run, and writes its states.

    Every method raises `Unclear` when the server gives no clear answer, and `Refused` when it refuses.
    """

    def __init__(self, api: HttpApi, run_id: str, attempt: int, sleep: "Callable[[float], None]" = time.sleep) -> None:
        self._api = api
        self._run = f"/flow_runs/{run_id}"
        self._run_id = run_id
        self.attempt = attempt
        """The run's `run_count` in the attempt that may be written for."""
        self._sleep = sleep
        self._csrf: dict[str, str] = {}

    def read(self) -> State | None:
        """The run's state now; None when there is no such run any more."""
        try:
            run = self._api.call("GET", self._run)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return State(run["state"], int(run["run_count"] or 0))

    def history(self) -> list[State]:
        """Every state of the run, oldest first."""
        return [State(fields) for fields in self._raw_history()]

    def write(self, seen: State, type: str, name: str, message: str, *, force: bool) -> State:
        """Put the run, which was seen in a state, into another one; the state that it is in then.

        Raises:
            Overtaken: it is not in that state any more, or in a later attempt, or Prefect does not let it go there.
        """
        now = self._patiently(self.read)
        if now is None or now.id != seen.id or now.run_count != self.attempt:
            raise Overtaken
        # A repeated request finds by it what a lost answer had already done.
        mine = {"transition_id": str(uuid.uuid4())}
        wanted: dict[str, Any] = {"type": type, "name": name, "message": message, "state_details": mine}
        answer = self._patiently(lambda: self._set_state(wanted, force=force))
        state: dict[str, Any] = answer["state"] or {}
        details: dict[str, Any] = state.get("state_details") or {}
        repeated = details.get("transition_id") == mine["transition_id"]
        if answer["status"] != "ACCEPT" and not repeated:
            raise Overtaken
        if force:
            self._put_back_an_end(seen, str(state["id"]))
        return State({"name": name, "type": type, "message": message, **state}, self.attempt)

    def label(self, name: str, text: str) -> None:
        """Give the run a label. Its state is left alone, whoever writes it."""
        self._change("PATCH", "labels", {name: text})

    def cancelling_timeout(self) -> float:
        """Seconds after which the server ends a run that is being cancelled, whatever became of it."""
        try:
            settings = self._api.call("GET", "/admin/settings")
            return float(settings["server"]["services"]["cancellation_cleanup"]["cancelling_timeout_seconds"])
        except (OSError, Refused, KeyError, TypeError, ValueError):
            return DEFAULT_CANCELLING_TIMEOUT

    def _put_back_an_end(self, seen: State, ours: str) -> None:
        raw = self._patiently(self._raw_history)
        places = {str(fields["id"]): place for place, fields in enumerate(raw)}
        since = raw[places.get(seen.id, -1) + 1 :]
        ends = [fields for fields in since if fields["type"] in TERMINAL and str(fields["id"]) != ours]
        # A terminal state that was seen before is what we were to replace; one since then is the run's own end.
        if not ends:
            return
        kept = {name: ends[-1].get(name) for name in ("type", "name", "message", "data", "state_details")}
        self._patiently(lambda: self._set_state(kept, force=True))
        raise Overtaken

    def _raw_history(self) -> "list[dict[str, Any]]":
        states: list[dict[str, Any]] = self._api.call("GET", f"/flow_run_states/?flow_run_id={self._run_id}")
        return sorted(states, key=lambda fields: (epoch(str(fields["timestamp"])), str(fields["id"])))

    def _set_state(self, state: "dict[str, Any]", *, force: bool) -> "dict[str, Any]":
        return self._change("POST", "set_state", {"state": state, "force": force})

    def _change(self, method: str, what: str, body: object) -> "Any":
        path = f"{self._run}/{what}"
        try:
            return self._api.call(method, path, body, self._csrf)
        except Refused as refused:
            if refused.status != 403 or b"CSRF" not in refused.body:
                raise
        client = str(uuid.uuid4())
        token = self._api.call("GET", f"/csrf-token?client={client}")["token"]
        self._csrf = {"Prefect-Csrf-Token": str(token), "Prefect-Csrf-Client": client}
        return self._api.call(method, path, body, self._csrf)

    def _patiently(self, ask: "Callable[[], Any]") -> "Any":
        for _ in range(TRIES - 1):
            try:
                return ask()
            except Unclear:
                self._sleep(PAUSE)
        return ask()


def cancelled_before_it_began(states: "Sequence[State]") -> State | None:
    """The state that cancelled a run which began all the same, among its states, oldest first.

    Prefect lets a process that was on its way begin: it accepts Running after Cancelled. Only what came after the run
    was queued last counts, because a cancelled run may be queued again.
    """
    found: State | None = None
    for state in states:
        if state.type == "SCHEDULED":
            found = None
        elif state.type == "CANCELLED":
            found = state
    return found
