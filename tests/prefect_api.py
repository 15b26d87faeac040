"""Prefect's own API, as tests look behind the adapter with it."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.stack import Stack, eventually


@dataclass(frozen=True)
class PrefectApi:
    """One Prefect server."""

    http: httpx.Client

    @classmethod
    @contextmanager
    def of(cls, stack: Stack) -> Generator["PrefectApi"]:
        name, _, password = (stack.prefect_auth or "").partition(":")
        auth = (name, password) if name else None
        with httpx.Client(base_url=stack.prefect_api_url, timeout=30, auth=auth) as http:
            yield cls(http)

    def post(self, path: str, body: object) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def deploy(self, file: Path, function: str, *, name: str = "test", work_pool: str = "jobs", **fields: Any) -> str:
        """A deployment of a flow in a file, named as its function; its id."""
        flow = self.post("/flows/", {"name": function})
        wanted: dict[str, Any] = {
            "name": name,
            "flow_id": flow["id"],
            "work_pool_name": work_pool,
            "entrypoint": f"{file}:{function}",
            "pull_steps": [],
            **fields,
        }
        return self.post("/deployments/", wanted)["id"]

    def start(self, deployment: str, **parameters: Any) -> str:
        """A run of a deployment; its id."""
        return self.post(f"/deployments/{deployment}/create_flow_run", {"parameters": parameters})["id"]

    def state(self, run: str) -> str:
        """The type of a run's state: `RUNNING`, `CRASHED`, ..."""
        return self.get(f"/flow_runs/{run}")["state"]["type"]

    def states(self, run: str) -> list[dict[str, Any]]:
        """Every state of a run, oldest first."""
        return sorted(self.get(f"/flow_run_states/?flow_run_id={run}"), key=lambda state: state["timestamp"])

    def logs(self, run: str) -> list[dict[str, Any]]:
        return self.post("/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"})

    def wait_for(self, run: str, *states: str, within: float = 60.0) -> str:
        """The state of a run, once it is one of these."""

        def look() -> str | None:
            return state if (state := self.state(run)) in states else None

        return eventually(look, within=within, what=f"one of {states}") or ""

    def wait_for_line(self, run: str, message: str, within: float = 60.0) -> dict[str, Any]:
        """The line of a run's log that begins like this."""

        def look() -> dict[str, Any] | None:
            return next((line for line in self.logs(run) if line["message"].startswith(message)), None)

        line = eventually(look, within=within, what=message)
        assert line is not None
        return line
