"""Reading a run back from Prefect's API: its state, labels, events and log lines."""

import importlib.util
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect import Flow

FLOWS = Path(__file__).parents[2] / "flows"


def load_flow(name: str) -> Flow[..., Any]:
    """The flow of a file in `flows/`, loaded by path as Prefect does it."""
    spec = importlib.util.spec_from_file_location(name, FLOWS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


class Prefect:
    """A Prefect server's API, as far as these tests read it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=30)

    def __enter__(self) -> "Prefect":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def run(self, run_id: UUID | str) -> dict[str, Any]:
        """The run as the server has it."""
        return self._http.get(f"/flow_runs/{run_id}").raise_for_status().json()

    def label(self, run_id: UUID | str, name: str) -> Any:
        """The JSON in a label of the run; None when it has none."""
        text = self.run(run_id)["labels"].get(f"prefect-jobs.{name}")
        return None if text is None else json.loads(text)

    def progress_events(self, run_id: UUID | str) -> list[dict[str, Any]]:
        """The payloads of the run's progress events that the server stored, oldest first."""
        wanted = {"event": {"name": ["prefect-jobs.progress"]}, "resource": {"id": [f"prefect.flow-run.{run_id}"]}}
        answer = self._http.post("/events/filter", json={"filter": wanted | {"order": "ASC"}, "limit": 50})
        return [event["payload"] for event in answer.raise_for_status().json()["events"]]

    def log_lines(self, run_id: UUID | str) -> list[tuple[int, str]]:
        """Level and text of the run's log lines that the server stored, oldest first."""
        wanted = {"logs": {"flow_run_id": {"any_": [str(run_id)]}}, "sort": "TIMESTAMP_ASC"}
        lines = self._http.post("/logs/filter", json=wanted).raise_for_status().json()
        return [(line["level"], line["message"]) for line in lines]
