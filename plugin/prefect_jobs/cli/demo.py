"""What `prefect-jobs up --demo` adds: something to look at. Sample events, a few exports of them, and one that fails
for real, because a page that has only seen success has not been seen."""

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
    {"format": "csv"},
    {"format": "json", "risk_level": "high"},
    {"format": "zip", "reviewed": False},
)


def write_demo_events(settings: "Settings") -> None:
    """Fill the event store, unless it holds events already."""
    from prefect_jobs.events.sample import EventStoreNotEmpty, write_sample

    with suppress(EventStoreNotEmpty):
        write_sample(settings.events_database, EVENTS, SEED, now=datetime.now(UTC))


async def start_demo_jobs(address: str, prefect_api: str, console: "Console") -> None:
    """Start the exports through the jobs API, and a doomed one where the API cannot refuse it: at Prefect itself."""
    import httpx

    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        try:
            answers = await asyncio.gather(
                *(http.post(f"{address}/api/events/export", json=export) for export in EXPORTS)
            )
            deployment = (await http.get(f"{prefect_api}/deployments/name/export/api")).raise_for_status().json()
            answers.append(
                await http.post(
                    f"{prefect_api}/deployments/{deployment['id']}/create_flow_run",
                    json={"parameters": {"format": "excel"}},
                )
            )
            for answer in answers:
                answer.raise_for_status()
        except httpx.HTTPError as error:
            console.say(f"The demo jobs could not be started: {error}")
        else:
            console.say(f"Started {len(answers)} demo jobs; one of them fails, as it should.")
