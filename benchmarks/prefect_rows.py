"""The rows of Prefect's own tables that one of its servers would have written for a made-up past."""

import json
import random
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.sample_runs import TYPES, SampleRun, deployment_ids, made_up_id
from prefect_jobs.gateway.runs import RunState

Rows = list[dict[str, Any]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _time(moment: datetime | None) -> str | None:
    """As SQLAlchemy stores times in SQLite."""
    return moment.isoformat(" ", "microseconds")[:26] if moment else None


def write_deployments(database: sqlite3.Connection, seed: int, now: datetime) -> dict[str, str]:
    """A flow and a deployment of each type. Returns the flows' ids by name."""
    flow_ids: dict[str, str] = {}
    for name, deployment_id in deployment_ids(seed).items():
        flow_ids[name] = made_up_id(random.Random(f"{seed}/flow/{name}"))
        made = _time(now - timedelta(days=100))
        database.execute(
            "INSERT INTO flow (id, created, updated, name) VALUES (?, ?, ?, ?)", (flow_ids[name], made, made, name)
        )
        database.execute(
            "INSERT INTO deployment (id, created, updated, name, flow_id, entrypoint) VALUES (?, ?, ?, ?, ?, ?)",
            (deployment_id, made, made, "api", flow_ids[name], f"flows/{name}.py:{name}"),
        )
    assert len(flow_ids) == len(TYPES)
    return flow_ids


def prefect_rows(samples: Sequence[SampleRun], flow_ids: dict[str, str]) -> tuple[Rows, Rows]:
    """The rows of ``flow_run`` and of ``flow_run_state``."""
    runs = [_run_row(sample, flow_ids) for sample in samples]
    return runs, [_state_row(sample.run.id, state) for sample in samples for state in sample.states]


def _run_row(sample: SampleRun, flow_ids: dict[str, str]) -> dict[str, Any]:
    run, last = sample.run, sample.states[-1]
    running = next((state.timestamp for state in sample.states if state.type == "RUNNING"), None)
    took = run.ended_at - running if run.ended_at and running else timedelta()
    expected = _time(run.scheduled_for or sample.states[0].scheduled_for)
    return {
        "id": run.id,
        "created": _time(run.created_at),
        "updated": _time(last.timestamp),
        "name": run.name,
        "state_type": run.state_type,
        "state_name": run.state_name,
        "state_id": run.state_id,
        "state_timestamp": _time(last.timestamp),
        "run_count": run.run_count,
        "expected_start_time": expected,
        "next_scheduled_start_time": _time(run.scheduled_for),
        # Prefect keeps the start of the first attempt.
        "start_time": _time(running),
        "end_time": _time(run.ended_at),
        "total_run_time": _time(_EPOCH + took),
        "parameters": json.dumps(run.parameters),
        "empirical_policy": '{"retries": 0, "retry_delay": 0}',
        "auto_scheduled": run.scheduled_by_prefect,
        "flow_id": flow_ids[run.flow_name],
        "deployment_id": run.deployment_id,
        "labels": json.dumps(sample.labels),
    }


def _state_row(run_id: str, state: RunState) -> dict[str, Any]:
    at = _time(state.timestamp)
    due = f', "scheduled_time": "{state.scheduled_for.isoformat()}"' if state.scheduled_for else ""
    return {
        "id": state.id,
        "created": at,
        "updated": at,
        "type": state.type,
        "timestamp": at,
        "name": state.name,
        "message": state.message,
        "state_details": f'{{"flow_run_id": "{run_id}"{due}}}',
        "flow_run_id": run_id,
    }


@contextmanager
def bare_of_indexes(database: sqlite3.Connection, *tables: str) -> Generator[None]:
    """Take the indexes off these tables and put them back at the end: building one at once is ten times faster."""
    places = ", ".join("?" * len(tables))
    found = database.execute(
        f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ({places})",
        tables,
    ).fetchall()
    for name, _ in found:
        database.execute(f'DROP INDEX "{name}"')
    yield
    for _, statement in found:
        database.execute(statement)
