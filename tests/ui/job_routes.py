"""What the page asks the jobs API about jobs: search, details, actions, bulk, statistics. All from memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from tests.ui.contract_double import ContractDouble, Job

CANCELLED = ("cancelled", "aborted")
REASONS = {
    "cancel": (("pending", "running"), "Job already completed or failed"),
    "retry": (("failed",), "Job cannot be retried - only failed jobs can"),
    "purge": (("pending", "completed", "failed"), "Job is running - stop it before deleting it"),
}


def matches(job: Job, wanted: dict[str, str]) -> bool:
    """Whether a search with these parameters finds the job."""
    text = wanted.get("q", "").lower()
    texts = [job["job_type"], job["message"] or "", job["error"] or "", job["job_id"]]
    if text and not any(text in str(value).lower() for value in texts):
        return False
    status = wanted.get("status")
    if status == "cancelled":
        if job["state"] not in CANCELLED:
            return False
    elif status and job["status"] not in status.split(","):
        return False
    if wanted.get("state") and not (job["state"] in wanted["state"].split(",") or job["state"] == job["status"]):
        return False
    if wanted.get("job_type") and job["job_type"] not in wanted["job_type"].split(","):
        return False
    return wanted.get("created_after", "") <= job["created_at"] <= wanted.get("created_before", "9")


def _facets(jobs: Iterable[Job]) -> dict[str, Any]:
    known = list(jobs)
    return {
        "by_status": Counter(job["status"] for job in known),
        "by_type": Counter(job["job_type"] for job in known),
        "by_state": Counter(job["state"] for job in known),
        "exact": True,
    }


class JobRoutes:
    """Answers about the jobs of a double."""

    def __init__(self, double: ContractDouble) -> None:
        self.double = double
        self.previews: dict[str, tuple[str, list[str]]] = {}
        self.operations: dict[str, dict[str, Any]] = {}

    def add_to(self, app: FastAPI) -> None:
        """Add every route; literal segments before `{job_id}`."""
        app.add_api_route("/api/jobs/search", self.search)
        app.add_api_route("/api/jobs/types", self.types)
        app.add_api_route("/api/jobs/stats", self.stats)
        app.add_api_route("/api/jobs/stats/timeline", self.timeline)
        app.add_api_route("/api/jobs/bulk", self.bulk, methods=["POST"])
        app.add_api_route("/api/jobs/bulk/{operation_id}", self.bulk_progress)
        app.add_api_route("/api/jobs/bulk/{operation_id}", self.stop_bulk, methods=["DELETE"])
        app.add_api_route("/api/jobs", self.start, methods=["POST"], status_code=202)
        app.add_api_route("/api/jobs/{job_id}", self.delete, methods=["DELETE"])
        app.add_api_route("/api/jobs/{job_id}/detail", self.detail)
        app.add_api_route("/api/jobs/{job_id}/history", self.history)
        app.add_api_route("/api/jobs/{job_id}/{action}", self.act, methods=["POST"])

    async def _gate(self, name: str) -> None:
        """Let a test hold an answer back, or make it fail."""
        self.double.asked.append(name)
        if name in self.double.gates:
            await self.double.gates[name].wait()
        if self.double.failing or name in self.double.refusing:
            status, said = self.double.refusing.get(name, (500, "planned failure"))
            raise HTTPException(status, said)

    async def search(self, request: Request) -> Any:
        await self._gate("search")
        wanted = dict(request.query_params)
        self.double.searches.append(wanted)
        if wanted.get("q", "").count('"') % 2:
            message = "This quotation mark is never closed (at position 1)"
            return JSONResponse({"error": {"errors": [{"field": "query.q", "message": message}]}}, 422)
        found = [job for job in self.double.ordered() if matches(job, wanted)]
        offset, limit = int(wanted.get("offset", 0)), int(wanted.get("limit", 50))
        total, exact = len(found), True
        if wanted.get("q") and self.double.counted_at_most is not None and total > self.double.counted_at_most:
            total, exact = self.double.counted_at_most, False
        meta = {"total": total, "limit": limit, "offset": offset, "total_is_exact": exact}
        facets = _facets(found)
        data = found[offset : offset + limit]
        if self.double.below and not {"q", "status", "state", "job_type"} & wanted.keys():
            data += self._below(max(0, offset - total), limit - len(data), wanted)
            meta["total"] += self.double.below
            facets["by_status"]["completed"] += self.double.below
        if wanted.get("facets") == "unfiltered":
            facets["unfiltered"] = {**_facets(self.double.jobs.values()), "by_status": facets["by_status"]}
        return {"data": data, "meta": meta, "aggregations": facets}

    def _below(self, first: int, count: int, wanted: dict[str, str]) -> list[Job]:
        """Jobs that are not stored, newest first: `row-<n>` is the n-th of them, a second older than the one before."""
        begin = datetime(2026, 1, 1, tzinfo=UTC)
        rows = self.double.below
        if (before := wanted.get("created_before")) and before < begin.isoformat():
            first += int((begin - datetime.fromisoformat(before)).total_seconds())
        if after := wanted.get("created_after"):
            rows = min(rows, int((begin - datetime.fromisoformat(after)).total_seconds()) + 1)
        last = min(first + count, rows)
        return [
            {"job_id": f"row-{row}", "job_type": "export", "status": "completed", "state": "completed",
             "progress": 100, "message": None, "created_at": (begin - timedelta(seconds=row)).isoformat(), "version": 1}
            for row in range(first, last)
        ]  # fmt: skip

    def _job(self, job_id: str) -> Job:
        if job_id not in self.double.jobs:
            raise HTTPException(404, f"No job found with ID: {job_id}")
        return self.double.jobs[job_id]

    async def types(self) -> dict[str, Any]:
        await self._gate("types")
        return {"job_types": self.double.types}

    async def detail(self, job_id: str) -> dict[str, Any]:
        await self._gate("detail")
        job = self._job(job_id)
        known: dict[str, Any] = {
            "id": job_id, "job_type": job["job_type"], "status": job["status"], "state": job["state"], "name": "otter",
            "queue_name": None, "priority": 0, "result": job["result"], "error": job["error"], "error_traceback": None,
            "progress": {"percent": job["progress"], "current_step": job["message"], "items_processed": None,
                         "items_total": None},
            "timing": {"created_at": job["created_at"], "started_at": job["started_at"],
                       "completed_at": job["completed_at"], "duration_seconds": None,
                       "estimated_remaining_seconds": None, "eta": None, "slower_than_usual": None},
            "retry_info": {"attempt_number": 1, "max_attempts": 1, "next_retry_at": None, "previous_errors": []},
            "metadata": {"input_params": {}, "worker_id": None}, "pending_reason": self.double.reasons.get(job_id),
        }  # fmt: skip
        for key, value in self.double.details.get(job_id, {}).items():
            known[key] = {**known[key], **value} if isinstance(known.get(key), dict) else value
        return known

    async def history(self, job_id: str) -> dict[str, Any]:
        await self._gate("history")
        job = self._job(job_id)
        created = {"from": None, "to": "pending", "at": job["created_at"], "triggered_by": "api", "details": None}
        steps: list[dict[str, Any]] = [created]
        if job["started_at"]:
            started = {"from": "pending", "to": "running", "at": job["started_at"], "triggered_by": "worker"}
            steps.append({**started, "details": {"state": "running"}})
        if job["completed_at"]:
            ended = {"from": "running", "to": job["status"], "at": job["completed_at"], "triggered_by": "worker"}
            steps.append({**ended, "details": {"state": job["state"], "error": job["error"]}})
        shown = self.double.histories.get(job_id, steps)
        complete = job_id not in self.double.cut_histories
        events = self.double.events.get(job_id, [])
        return {"job_id": job_id, "transitions": shown, "events": events, "attempts": [], "complete": complete}

    async def act(self, job_id: str, action: str) -> dict[str, Any]:
        await self._gate(action)
        job = self._job(job_id)
        self.double.acted.append((action, job_id))
        if action == "cancel":
            if job["status"] in ("completed", "failed"):
                raise HTTPException(409, "Job cannot be cancelled - it has already completed or failed")
            if job["status"] == "running":
                self.double.change(job_id, state="stopping")
            else:
                self.double.change(job_id, status="failed", state="cancelled", error="Cancelled by user")
            return {"job_id": job_id, "status": "failed", "message": "Job cancellation requested"}
        if action == "abort":
            self.double.change(job_id, state="aborting")
            return {"job_id": job_id, "status": "running", "message": "Job abort requested - worker notified"}
        if action == "retry":
            self.double.change(
                job_id, status="pending", state="awaiting_retry", progress=0, error=None, completed_at=None,
                started_at=None, message="Queued for attempt 2",
            )  # fmt: skip
            return self.double.jobs[job_id]
        raise HTTPException(404)

    async def delete(self, job_id: str, purge: bool = False) -> dict[str, Any]:
        await self._gate("delete")
        self._job(job_id)
        if not purge:
            raise HTTPException(400, "the page purges")
        self.double.acted.append(("delete", job_id))
        self.double.delete(job_id)
        return {"job_id": job_id, "status": "deleted", "message": "Job deleted"}

    async def start(self, wanted: dict[str, Any] = Body()) -> Any:  # noqa: B008  # FastAPI's way
        await self._gate("start")
        if errors := self.double.start_errors:
            return JSONResponse({"error": {"message": "Request validation failed", "errors": errors}}, 422)
        from tests.ui.contract_double import job

        job_id = f"started-{len(self.double.started) + 1}"
        self.double.started.append(wanted)
        self.double.put(job(job_id, job_type=wanted["job_type"], age=0))
        return {"job_id": job_id, "status": "pending", "message": "created"}

    async def bulk(self, wanted: dict[str, Any] = Body(), dry_run: bool = False) -> Any:  # noqa: B008  # FastAPI's way
        await self._gate("bulk")
        if dry_run:
            return self._preview(wanted)
        action, chosen = self.previews.pop(wanted["token"])
        operation_id = f"operation-{len(self.operations) + 1}"
        items = [{"job_id": job_id, "outcome": "waiting", "error": None} for job_id in chosen]
        self.operations[operation_id] = {"action": action, "state": "running", "items": items}
        self.double.tasks.add(asyncio.create_task(self._work(operation_id)))
        return JSONResponse({"operation_id": operation_id}, 202)

    def _preview(self, wanted: dict[str, Any]) -> dict[str, Any]:
        ids = wanted.get("job_ids")
        jobs = self.double.ordered()
        chosen = [job for job in jobs if (job["job_id"] in ids if ids else matches(job, wanted["filter"]))]
        allowed, reason = REASONS[wanted["action"]]
        eligible = sum(job["status"] in allowed for job in chosen)
        token = f"token-{len(self.previews) + 1}"
        self.previews[token] = (wanted["action"], [job["job_id"] for job in chosen])
        by_state = Counter(job["state"] for job in chosen)
        reasons = {reason: len(chosen) - eligible} if eligible < len(chosen) else {}
        return {"count": len(chosen), "by_state": by_state, "eligible": eligible, "reasons": reasons, "token": token}

    async def _work(self, operation_id: str) -> None:
        operation = self.operations[operation_id]
        allowed, reason = REASONS[operation["action"]]
        for item in operation["items"]:
            if "bulk-step" in self.double.gates:
                await self.double.gates["bulk-step"].wait()
            if operation["state"] != "running":
                return
            job = self.double.jobs.get(item["job_id"])
            if job is None or job["status"] not in allowed:
                item.update(outcome="refused", error=reason)
                continue
            item["outcome"] = "done"
            if operation["action"] == "purge":
                self.double.delete(item["job_id"])
            else:
                await self.act(item["job_id"], operation["action"])
        operation["state"] = "finished"

    async def bulk_progress(self, operation_id: str, limit: int = 100, offset: int = 0) -> dict[str, Any]:
        operation = self.operations[operation_id]
        outcomes = Counter(item["outcome"] for item in operation["items"])
        total = len(operation["items"])
        return {
            "operation_id": operation_id, "action": operation["action"], "state": operation["state"], "total": total,
            "done": outcomes["done"], "refused": outcomes["refused"], "failed": outcomes["failed"],
            "waiting": outcomes["waiting"], "progress": 100 * (total - outcomes["waiting"]) // total,
            "items": operation["items"][offset : offset + limit],
        }  # fmt: skip

    async def stop_bulk(self, operation_id: str) -> dict[str, Any]:
        self.operations[operation_id]["state"] = "stopped"
        return await self.bulk_progress(operation_id)

    async def stats(self) -> dict[str, Any]:
        await self._gate("stats")
        jobs = list(self.double.jobs.values())
        by_status, by_type = Counter(job["status"] for job in jobs), Counter(job["job_type"] for job in jobs)
        return {
            "total_jobs": len(jobs),
            "by_status": [{"status": status, "count": count} for status, count in by_status.items()],
            "by_type": [{"job_type": name, "count": count} for name, count in sorted(by_type.items())],
            "average_duration_seconds": 115.0,
            "oldest_pending_job_age_seconds": 42.7,
        }

    async def timeline(self, request: Request) -> dict[str, Any]:
        await self._gate("timeline")
        wanted = dict(request.query_params)
        self.double.timelines.append(wanted)
        buckets = [
            bucket
            for bucket in self.double.buckets
            if wanted["from"] <= bucket["start"] < wanted["to"]
            and wanted.get("job_type") in (None, "", bucket["job_type"])
        ]
        return {"from": wanted["from"], "to": wanted["to"], "bucket": wanted["bucket"], "buckets": buckets}


def bucket(start: datetime, job_type: str = "export", **counts: Any) -> dict[str, Any]:
    """One bucket of the timeline."""
    none = {"created": 0, "completed": 0, "failed": 0, "cancelled": 0, "queue_wait_seconds": None, "run_seconds": None}
    return {"start": start.astimezone(UTC).isoformat().replace("+00:00", "Z"), "job_type": job_type, **none, **counts}
