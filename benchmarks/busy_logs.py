"""`prefect-jobs serve` as it is, with a task beside its feed that writes log lines of one job at a given rate.

The lines pass through the log store's own write path in the adapter's own process, fifty times a second, as those that
are copied out of Prefect do. What to write is read from standard input, a line each: the job's id, lines a second, and
seconds. Each message begins with the time it was written, in milliseconds since 1970.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from uuid import uuid4

from prefect_jobs.api import adapter
from prefect_jobs.gateway import LogLine
from prefect_jobs.log_ingest import LogIngest

STEP = 0.02
LEVELS = (20, 20, 20, 10, 20, 20, 30, 20)


class BusyIngest(LogIngest):
    """The adapter's ingest, and the writing."""

    async def run(self) -> None:
        """Keep the copies up to date, and write when told to."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().run())
            tasks.create_task(self._obey())

    async def _obey(self) -> None:
        while order := (await asyncio.to_thread(sys.stdin.readline)).split():
            job_id, rate, seconds = order
            written = await self._write(job_id, int(rate), float(seconds))
            print(f"WRITTEN {written}", flush=True)

    async def _write(self, job_id: str, rate: int, seconds: float) -> int:
        began, written = time.monotonic(), 0
        while (elapsed := time.monotonic() - began) < seconds:
            due = int(elapsed * rate)
            if due > written:
                lines = [_line(job_id, number) for number in range(written, due)]
                await self._store.add(job_id, lines)
                # Stands in for a copy out of Prefect that brought lines.
                self._tails._announce(job_id)  # pyright: ignore[reportPrivateUsage]
                written = due
            await asyncio.sleep(STEP)
        return written


def _line(job_id: str, number: int) -> LogLine:
    now = datetime.now(UTC)
    text = f"{now.timestamp() * 1000:.1f} Processing event {number} of camera {number % 17}: disk and network as usual"
    return LogLine(id=str(uuid4()), run_id=job_id, timestamp=now, level=LEVELS[number % len(LEVELS)], message=text)


def main() -> None:
    """Serve as the command line says."""
    from prefect_jobs.cli import main as prefect_jobs

    adapter.LogIngest = BusyIngest
    sys.argv[1:1] = ["serve"]
    prefect_jobs()


if __name__ == "__main__":
    main()
