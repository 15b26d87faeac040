"""Moving runs from state to state, where Prefect has no "only if it is still so".

A state is proposed for a run that may have moved on since it was read. So each write here is looked at afterwards: what
came in between decides whether it stands. A running job of the kit is only asked to stop, under the names ``Stopping``
and ``Aborting``, which nobody but its sidecar acts on; what became of it the sidecar writes. Any other run gets
Prefect's own cancel, which its worker carries out. A run that a worker has taken and that has not begun is
``Withdrawn``: its worker ends it, or whoever keeps the promise that it is cancelled.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast
from uuid import uuid4

import httpx

from prefect_jobs.gateway.asking import Ask
from prefect_jobs.gateway.runs import TERMINAL_TYPES, RunState, parse_time, state_from_json
from prefect_jobs.gateway.seam import NothingRunsIt, PrefectUnavailable, RunGone, StateRefused
from prefect_jobs.report_names import WITHDRAWN

CANCELLING, STOPPING, ABORTING = "Cancelling", "Stopping", "Aborting"
IN_PROCESS = "in_process"
"""Prefect's word for a run that waits for its next attempt inside its own, living process."""


class RunTransitions:
    """Stops runs and queues them again."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def states(self, run_id: str) -> list[RunState]:
        """See ``Gateway``."""
        return [state_from_json(item) for item in await self._raw_states(run_id)]

    async def _raw_states(self, run_id: str) -> list[dict[str, Any]]:
        asked = {"flow_run_id": run_id}
        items = cast("list[dict[str, Any]]", await self._ask("GET", "/flow_run_states/", params=asked))
        return sorted(items, key=lambda item: (parse_time(item["timestamp"]), str(item["id"])))

    async def cancel(self, run_id: str, message: str, *, cooperative: bool = False) -> RunState:
        """See ``Gateway``."""
        run = await self._run(run_id)
        state: Mapping[str, Any] = run.get("state") or {}
        name = STOPPING if cooperative else CANCELLING
        match state.get("type"):
            case str(ended) if ended in TERMINAL_TYPES:
                raise StateRefused(f"it is in Prefect's terminal state {state['name']}")
            case "CANCELLING":
                return state_from_json(state)
            case "PENDING":
                return await self._withdraw(run, name, message)
            case "SCHEDULED" if not _lives(run):
                return await self._withdraw(run, name, message)
            case "SCHEDULED":  # between two attempts nothing of the kit is at work
                return await self._propose(run_id, "CANCELLING", CANCELLING, message)
            case _:
                return await self._propose(run_id, "CANCELLING", name, message)

    async def abort(self, run_id: str, message: str) -> RunState:
        """See ``Gateway``."""
        state: Mapping[str, Any] = (await self._run(run_id)).get("state") or {}
        match state.get("type"), state.get("name"):
            case "CANCELLING", "Aborting":
                return state_from_json(state)
            case "CANCELLING", name if name != WITHDRAWN:
                return await self._escalate(run_id, state, message)
            case (("RUNNING" | "PAUSED"), _):
                return await self._propose(run_id, "CANCELLING", ABORTING, message)
            case _, name:
                raise StateRefused(f"it is in Prefect's state {name}")

    async def _escalate(self, run_id: str, seen: Mapping[str, Any], message: str) -> RunState:
        """Abort what is being cancelled. Prefect takes that by force only, which would raise an ended run too."""
        written = await self._propose(run_id, "CANCELLING", ABORTING, message, force=True)
        states = await self._raw_states(run_id)
        places = {str(state["id"]): place for place, state in enumerate(states)}
        since = states[places.get(str(seen["id"]), -1) + 1 :]
        ends = [state for state in since if state["type"] in TERMINAL_TYPES]
        if ends and str(states[-1]["id"]) == written.id:
            await self._put_back(run_id, ends[-1])
        return written

    async def _put_back(self, run_id: str, end: Mapping[str, Any]) -> None:
        """Give a run the end back that a write of ours took from it. Always raises ``StateRefused``."""
        kept = {name: end.get(name) for name in ("type", "name", "message", "data", "state_details")}
        await self._set_state(run_id, kept, force=True)
        raise StateRefused(f"it is in Prefect's terminal state {end['name']}")

    async def _withdraw(self, run: Mapping[str, Any], name: str, message: str) -> RunState:
        """Cancel a run that has not begun, so that nothing begins it.

        Prefect lets a process that is on its way begin after Cancelled, and not after Cancelling. So this is asked for:
        Prefect makes Cancelled of it where nobody has taken the run, and else whoever took it ends it.
        """
        run_id = str(run["id"])
        written = await self._propose(run_id, "CANCELLING", WITHDRAWN, message)
        if written.type == "CANCELLED":  # without a word, so it is said again with ours
            with suppress(StateRefused, PrefectUnavailable):
                return await self._propose(run_id, "CANCELLED", "Cancelled", message)
            return written
        states = await self._raw_states(run_id)
        place = next((place for place, state in enumerate(states) if str(state["id"]) == written.id), 0)
        if place != len(states) - 1 or place == 0:
            return written
        before = states[place - 1]
        if before["type"] in ("RUNNING", "PAUSED"):  # it began while we asked, so it is stopped
            return await self._propose(run_id, "CANCELLING", name, message, force=True)
        if before["type"] == "SCHEDULED" or not _is_anybodys(run):  # nobody has it, and nobody takes it any more
            return await self._propose(run_id, "CANCELLED", "Cancelled", message)
        return written

    async def end_withdrawn(self, run_id: str) -> RunState:
        """See ``Gateway``."""
        state: Mapping[str, Any] = (await self._run(run_id)).get("state") or {}
        if state.get("type") != "CANCELLING":
            raise StateRefused(f"it is in Prefect's state {state.get('name')}")
        return await self._propose(run_id, "CANCELLED", "Cancelled", str(state.get("message") or ""))

    async def retry(self, run_id: str, message: str) -> RunState:
        """See ``Gateway``."""
        run = await self._run(run_id)
        if not run.get("deployment_id") or not await self._exists(f"/deployments/{run['deployment_id']}"):
            raise NothingRunsIt(run_id)
        state: Mapping[str, Any] = run.get("state") or {}
        if state.get("type") not in ("FAILED", "CRASHED"):
            raise StateRefused(f"it is in Prefect's state {state.get('name')}")
        return await self._propose(
            run_id, "SCHEDULED", "AwaitingRetry", message, details={"scheduled_time": datetime.now(UTC).isoformat()}
        )

    async def crash(self, run_id: str, message: str, *, seen: str) -> RunState:
        """See ``Gateway``."""
        state: Mapping[str, Any] = (await self._run(run_id)).get("state") or {}
        if state.get("type") != "RUNNING" or str(state["id"]) != seen:
            raise StateRefused(f"it is in Prefect's state {state.get('name')}")
        return await self._propose(run_id, "CRASHED", "Crashed", message)

    async def delete(self, run_id: str) -> None:
        """See ``Gateway``."""
        try:
            await self._ask("DELETE", f"/flow_runs/{run_id}", patient=True)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != HTTPStatus.NOT_FOUND:
                raise

    async def _run(self, run_id: str) -> dict[str, Any]:
        try:
            return await self._ask("GET", f"/flow_runs/{run_id}", patient=True)
        except httpx.HTTPStatusError as error:
            # Prefect answers 422 to an id that is no UUID, and no run has such a one.
            if error.response.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY):
                raise RunGone(run_id) from error
            raise

    async def _exists(self, path: str) -> bool:
        try:
            await self._ask("GET", path, patient=True)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    async def _propose(
        self,
        run_id: str,
        state_type: str,
        name: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> RunState:
        """Set a state. Prefect may set another of its own instead; one of the wanted kind or past it will do."""
        # The id makes a repeated request find what a lost answer had already done.
        wanted = {
            "type": state_type,
            "name": name,
            "message": message,
            "state_details": {"transition_id": str(uuid4()), **(details or {})},
        }
        answer = await self._set_state(run_id, wanted, force=force)
        state: Mapping[str, Any] = answer.get("state") or {}
        enough = {state_type, "CANCELLED"} if state_type == "CANCELLING" else {state_type}
        if answer["status"] == "ACCEPT" or (answer["status"] == "REJECT" and state.get("type") in enough):
            return state_from_json(state)
        refusal: Mapping[str, Any] = answer.get("details") or {}
        raise StateRefused(str(refusal.get("reason") or f"its state is {state.get('name')}"))

    async def _set_state(self, run_id: str, state: Mapping[str, Any], *, force: bool) -> dict[str, Any]:
        try:
            return await self._ask(
                "POST", f"/flow_runs/{run_id}/set_state", patient=True, json={"state": dict(state), "force": force}
            )
        except httpx.HTTPStatusError as error:
            if error.response.status_code == HTTPStatus.NOT_FOUND:
                raise RunGone(run_id) from error
            raise


def _is_anybodys(run: Mapping[str, Any]) -> bool:
    """Whether a worker, or a process that serves deployments, can have taken the run."""
    return bool(run.get("deployment_id") or run.get("work_queue_id"))


def _lives(run: Mapping[str, Any]) -> bool:
    """Whether a scheduled run has a process that a worker can stop: it waits there for its next attempt."""
    policy: Mapping[str, Any] = run.get("empirical_policy") or {}
    return policy.get("retry_type") == IN_PROCESS and bool(run.get("infrastructure_pid"))
