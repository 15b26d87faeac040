"""`prefect-jobs serve` as it is, with a task beside its feed that changes a hundred jobs a second on demand.

The changes pass through the index's own write path in the adapter's own process, as those of Prefect's events do: each
as it comes, or with what came while the one before was written. SIGUSR1 starts them, SIGUSR2 stops them and says how
many there were. Of ten changes eight are progress, one is the end of a running job (the feed finds it running again),
one is a new job. The slow sweep is left out: it would read a million runs from Prefect beside the measurement.
"""

import asyncio
import random
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count

from benchmarks.sample_runs import made_up_id
from prefect_jobs.api import adapter
from prefect_jobs.conditions import OneOf
from prefect_jobs.feed import Feed
from prefect_jobs.gateway.runs import Progress, Run, RunEvent
from prefect_jobs.store import Page

CHANGES_A_SECOND = 100


class BusyFeed(Feed):
    """The adapter's feed, and the changes."""

    async def run(self) -> None:
        """Keep the index true, and change jobs when told to."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, told.set)
        loop.add_signal_handler(signal.SIGUSR2, told.clear)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().run())
            tasks.create_task(self._change(told))

    async def sweep(self) -> None:
        """Leave everything as it was seeded."""

    async def _change(self, told: asyncio.Event) -> None:
        while True:
            await told.wait()
            await self._changes(told)

    async def _changes(self, told: asyncio.Event) -> None:
        dice = random.Random(1)
        found = await self._index.find([OneOf("state", frozenset({"running"}))], Page(limit=1000))
        running = [job for job in found.jobs if job.attempt == 1]
        began, done = time.monotonic(), 0
        for number in count():
            await asyncio.sleep(max(0.0, began + number / CHANGES_A_SECOND - time.monotonic()))
            due = int((time.monotonic() - began) * CHANGES_A_SECOND)
            if not told.is_set() or due <= done:
                if told.is_set():
                    continue
                break
            now = datetime.now(UTC)
            runs: list[Run] = []
            for change in range(done, due):
                job = dice.choice(running)
                match change % 10:
                    case 0:
                        runs.append(_ended(made_up_id(dice), job.job_type, now, dice))
                    case 1:
                        runs.append(_ended(job.job_id, job.job_type, now, dice, created=job.created_at))
                    case _:
                        text = f"Processing event {change}/{due * 10}"
                        # As an event of Prefect's does.
                        self._note(RunEvent(job.job_id, now, progress=Progress(change % 100, text, 1, now)))
            if runs:
                await self.took(runs)
            done = due
        print(f"CHANGED {done} in {time.monotonic() - began:.1f} s", flush=True)


def _ended(run_id: str, kind: str, now: datetime, dice: random.Random, *, created: datetime | None = None) -> Run:
    return Run(
        id=run_id,
        name="new-otter",
        flow_name=kind,
        state_type="COMPLETED",
        state_name="Completed",
        state_id=made_up_id(dice),
        created_at=created or now - timedelta(seconds=30),
        started_at=now - timedelta(seconds=20),
        ended_at=now,
        run_count=1,
        parameters={"camera_id": "front-1"},
        result={"file_path": f"/srv/exports/{dice.getrandbits(32):08x}.csv"},
        has_result=True,
        uses_kit=True,
        read_order=time.monotonic_ns(),
    )


def main() -> None:
    """Serve as the command line says."""
    from prefect_jobs.cli import main as prefect_jobs

    adapter.Feed = BusyFeed
    sys.argv[1:1] = ["serve"]
    prefect_jobs()


if __name__ == "__main__":
    main()
