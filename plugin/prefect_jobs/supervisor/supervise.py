"""Keeps a list of children running until told to stop.

Started in stages, each when the stage before is ready; stopped in reverse, so that a worker can still tell Prefect what
became of its jobs. A child that dies is started again after a pause that doubles with each death in a row; one that
dies before it was ever ready stops everything, because the next try would end the same.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from prefect_jobs.first_of import first_of
from prefect_jobs.processes import adopt_orphans, children, is_sidecar, kill, kill_descendants
from prefect_jobs.supervisor.child import Child, ChildSpec
from prefect_jobs.supervisor.console import Console

READY_WITHIN = 150.0  # seconds: a first start on a slow disk creates Prefect's database
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
ORPHANS_END_WITHIN = 1.5
SIDECARS_END_WITHIN = 4.0  # after the jobs that they watch
LOOK_EVERY = 0.05
STEADY_AFTER = 60.0  # seconds of life after which a death is no longer "in a row"


class ChildNeverReady(Exception):
    """A child ended, or stayed silent, before it was ready for the first time."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why} before it was ready: its lines above say why.")


class Supervisor:
    """Children under one roof; ``run`` is the whole of their life."""

    def __init__(self, stages: Sequence[Sequence[ChildSpec]], console: Console) -> None:
        self._stages = stages
        self._console = console
        self._children: dict[str, Child] = {}
        self._stopping = asyncio.Event()
        self._impatient = asyncio.Event()

    async def run(self, when_ready: Callable[[], Awaitable[None]]) -> None:
        """Start everything, call `when_ready` once all are ready, and stop all at SIGTERM, SIGINT or a failed start.

        A second signal kills at once. When it returns, no process that stems from this one is left.

        Raises:
            ChildNeverReady: the first start failed.
        """
        adopt_orphans()
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(signum, self._signalled)
        keepers: list[asyncio.Task[None]] = []
        try:
            await first_of(self._start_all(when_ready, keepers), self._stopping.wait())
        finally:
            await self._stop(keepers)

    async def _start_all(self, when_ready: Callable[[], Awaitable[None]], keepers: list[asyncio.Task[None]]) -> None:
        for stage in self._stages:
            starts = [asyncio.create_task(self._startfirst_of(spec)) for spec in stage]
            try:
                for child in await asyncio.gather(*starts):
                    keepers.append(asyncio.create_task(self._keep(child)))
            finally:
                for start in starts:
                    start.cancel()
        await when_ready()
        await asyncio.gather(*keepers)

    def _signalled(self) -> None:
        if self._stopping.is_set():
            self._impatient.set()
        self._stopping.set()

    async def _startfirst_of(self, spec: ChildSpec) -> Child:
        with spec.ready.watch() as watch:
            child = await self._start(spec, watch.environment)
            ended = asyncio.create_task(child.wait())
            ready = asyncio.create_task(watch.ready())
            try:
                async with asyncio.timeout(READY_WITHIN):
                    await asyncio.wait((ended, ready), return_when=asyncio.FIRST_COMPLETED)
            except TimeoutError as error:
                raise ChildNeverReady(spec.name, f"was silent for {READY_WITHIN:.0f} seconds") from error
            finally:
                ready.cancel()
                ended.cancel()
            if ended.done() and not ended.cancelled():
                raise ChildNeverReady(spec.name, _how_it_ended(ended.result()))
            return child

    async def _start(self, spec: ChildSpec, environment: dict[str, str]) -> Child:
        child = await Child.start(spec, self._console, environment)
        self._children[spec.name] = child
        return child

    async def _keep(self, child: Child) -> None:
        """Start a child again whenever it dies."""
        pause = FIRST_PAUSE
        while True:
            born = self._clock()
            code = await child.wait()
            if self._clock() - born > STEADY_AFTER:
                pause = FIRST_PAUSE
            self._console.line(child.spec.name, f"{_how_it_ended(code)}; starting it again in {pause:g} s")
            await self._end_orphans()
            await child.end()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            child = await self._start(child.spec, {})
            self._console.line(child.spec.name, "started again")

    async def _stop(self, keepers: list[asyncio.Task[None]]) -> None:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await first_of(self._stop_in_order(), self._impatient.wait())
        await asyncio.gather(*(child.end() for child in self._children.values()))
        if left := kill_descendants(os.getpid()):
            self._console.say(f"Killed {len(left)} processes that were left: {', '.join(map(str, left))}.")

    async def _stop_in_order(self) -> None:
        for stage in reversed(self._stages):
            present = [self._children[spec.name] for spec in stage if spec.name in self._children]
            await asyncio.gather(*(child.stop() for child in present))
            await self._end_orphans()

    async def _end_orphans(self) -> None:
        """End what children that died left behind. What watches jobs gets a moment to tell what became of them."""
        kill_at = self._clock() + ORPHANS_END_WITHIN
        asked: set[int] = set()
        while (orphans := self._orphans()) and self._clock() < kill_at + SIDECARS_END_WITHIN:
            late = self._clock() > kill_at
            for pid in orphans if late else orphans - asked:
                if not is_sidecar(pid):
                    kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            asked |= orphans
            await asyncio.sleep(LOOK_EVERY)
        for pid in self._orphans():
            kill(pid, signal.SIGKILL)
        for pid in asked:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222  WNOHANG: it does not wait

    def _orphans(self) -> set[int]:
        return set(children(os.getpid())) - {child.pid for child in self._children.values()}

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()


def _how_it_ended(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
