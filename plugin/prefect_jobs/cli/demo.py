"""What `prefect-jobs up --demo` adds: something to look at. Sample events, a job or two of every type, and one that
fails for real, because a page that has only seen success has not been seen."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_jobs.settings import Settings
    from prefect_jobs.supervisor import Console

EVENTS = 5_000
SEED = 7
EXPORTS: tuple[dict[str, Any], ...] = (
    {"export_format": "csv"},
    {"export_format": "excel", "risk_level": "high", "columns": ["started_at", "camera_name", "risk_score", "summary"]},
)
JOBS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("batch_audit", {"limit": 300}),
    ("backup", {}),
    ("re_evaluation", {"limit": 200, "risk_level": "high"}),
    ("cleanup", {"dry_run": True}),
    ("import", {"path": "last-week.csv"}),  # which is not there
)
SENT = b"""camera_name,started_at,risk_score,summary
Demo Camera,2026-03-04T08:15:00Z,12,A cat crosses the yard
Demo Camera,2026-03-04T08:16:00Z,120,This row says more than a hundred
Demo Camera,2026-03-04T08:17:00Z,35,A dog follows
"""
"""A file of events, one of which is no good."""


def write_demo_events(settings: "Settings") -> None:
    """Fill the event store, unless it holds events already."""
    from prefect_jobs.events.sample import EventStoreNotEmpty, write_sample

    with suppress(EventStoreNotEmpty):
        write_sample(settings.events_database, EVENTS, SEED, now=datetime.now(UTC))


async def start_demo_jobs(address: str, console: "Console", *, key: str | None = None) -> None:
    """Start them through the jobs API, as any application would, with this key where it asks for one."""
    import httpx

    headers = {"X-API-Key": key} if key else {}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30, trust_env=False) as http:
        try:
            answers = await asyncio.gather(
                *(http.post("/api/exports", json=export) for export in EXPORTS),
                http.post("/api/events/import", content=SENT),
                *(http.post("/api/jobs", json={"job_type": name, "parameters": given}) for name, given in JOBS),
            )
            for answer in answers:
                answer.raise_for_status()
        except httpx.HTTPError as error:
            console.say(f"The demo jobs could not be started: {error}")
        else:
            console.say(f"Started {len(answers)} demo jobs; one of them fails, as it should.")
