"""One run on a Prefect server that lives in memory: as much of its rules as the protocol of stopping leans on."""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect_jobs.sidecar.http_call import HttpApi, Refused, Unclear
from prefect_jobs.sidecar.run_api import TERMINAL, RunApi

RUN = "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"


class OneRun(HttpApi):
    """Answers as Prefect 3.8 does: only Cancelled ends what is being cancelled, and force passes over every rule."""

    def __init__(self, *types: str) -> None:
        super().__init__("http://prefect.invalid/api", {})
        self.states: list[dict[str, Any]] = []
        self._last = datetime.min.replace(tzinfo=UTC)
        self.run_count = 0
        self.labels: dict[str, str] = {}
        self.deleted = False
        self.away = 0
        """So many further questions get no clear answer."""
        self.done: list[str] = []
        """What was asked to be written, in order; a test may let others write into it."""
        self.away_after = 0
        """The same, from the next write on."""
        self.before_write: Callable[[], object] | None = None
        """Happens once, between a look and the write that follows from it."""
        self.lost_answers = 0
        for type in types or ("SCHEDULED", "PENDING", "RUNNING"):
            self.put(type)

    def api(self, attempt: int = 1) -> RunApi:
        """What a sidecar asks this server with."""
        return RunApi(self, RUN, attempt, sleep=lambda _seconds: None)

    def put(
        self, type: str, name: str = "", message: str | None = None, details: Mapping[str, Any] | None = None
    ) -> str:
        """Put the run into a state, whatever it was in; the state's id."""
        at = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        self._last = at
        state = {"id": str(uuid.uuid4()), "type": type, "name": name or type.title(), "message": message}
        self.states.append({**state, "timestamp": at.isoformat(), "state_details": dict(details or {}), "data": None})
        self.run_count += type == "RUNNING"
        return str(state["id"])

    def grow_older(self, seconds: float) -> None:
        """Let the run have been in its state for so long."""
        at = datetime.fromisoformat(self.states[-1]["timestamp"]) - timedelta(seconds=seconds)
        for state in self.states:
            state["timestamp"] = min(at, datetime.fromisoformat(state["timestamp"])).isoformat()

    @property
    def ended_as(self) -> tuple[str, str]:
        """Type and name of the state that the run is in."""
        return self.states[-1]["type"], self.states[-1]["name"]

    @property
    def message(self) -> str:
        """The message of that state."""
        return str(self.states[-1]["message"])

    def call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """See `HttpApi`."""
        if self.away:
            self.away -= 1
            raise Unclear("away")
        if path == "/admin/settings":
            return {"server": {"services": {"cancellation_cleanup": {"cancelling_timeout_seconds": 10.0}}}}
        if self.deleted:
            raise Refused(404, b"")
        if method == "PATCH":
            self.labels |= body
            return None
        if method == "POST":
            return self._set_state(body["state"], force=body["force"])
        if path.startswith("/flow_run_states/"):
            return list(reversed(self.states))
        return {"state": self.states[-1], "run_count": self.run_count}

    def _set_state(self, wanted: dict[str, Any], *, force: bool) -> dict[str, Any]:
        self.done.append(f"write {wanted['name']}")
        if (happens := self.before_write) is not None:
            self.before_write = None
            happens()
        now = self.states[-1]
        mine = wanted["state_details"].get("transition_id")
        again = mine is not None and mine == now["state_details"].get("transition_id")
        refused = now["type"] == "CANCELLING" and wanted["type"] != "CANCELLED"
        refused = refused or (now["type"] in TERMINAL and wanted["type"] in ("CRASHED", "CANCELLING"))
        if again or (refused and not force):
            return {"status": "REJECT", "state": now}
        self.put(wanted["type"], wanted["name"], wanted["message"], wanted["state_details"])
        self.away, self.away_after = self.away_after, 0
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unclear("the answer was lost")
        return {"status": "ACCEPT", "state": self.states[-1]}
