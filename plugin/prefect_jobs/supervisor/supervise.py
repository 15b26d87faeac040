"""Keeps a list of children running until told to stop.

Started in stages, each when the stage before is ready; stopped in reverse, so that a worker can still tell Prefect what
became of its jobs. A child that dies, or lives and says nothing, is started again after a pause that doubles with each
end in a row; one that ends before it was ever ready stops everything, because the next try would end the same.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from prefect_jobs.first_of import first_of
from prefect_jobs.processes import (
    adopt_orphans,
    children,
    is_sidecar,
    kill,
    kill_descendants,
    take_leave_of_orphans,
)
from prefect_jobs.supervisor import guardian
from prefect_jobs.supervisor.child import Child, ChildSpec
from prefect_jobs.supervisor.console import Console
from prefect_jobs.supervisor.readiness import Watch

READY_WITHIN = 150.0  # seconds: a first start on a slow disk creates Prefect's database
SILENT_FOR = 30.0
"""Seconds without an answer after which a child that was ready is stuck."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
ORPHANS_END_WITHIN = 1.5
SIDECARS_END_WITHIN = 4.0  # after the jobs that they watch
LOOK_EVERY = 0.05
STEADY_AFTER = 60.0  # seconds of life after which an end is no longer "in a row"


class ChildNeverReady(Exception):
    """A child ended, or stayed silent, before it was ready for the first time."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why} before it was ready: its lines above say why.")


class Restarts(Protocol):
    """Whoever is told of children that are started again."""

    def ended(self, name: str, why: str, *, silent: bool) -> None:
        """A child ended, or was ended because it was silent, and is to be started again."""
        ...

    def back(self, name: str) -> None:
        """It lives again."""
        ...


class Supervisor:
    """Children under one roof; ``run`` is the whole of their life.

    Args:
        stages: the children, each stage to be started when the one before is ready.
        console: where their lines go.
        restarts: who is told of each that is started again.
        holding: open files that each child holds too, such as a lock on what all of them use.
        patience: seconds that a child may be silent.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[ChildSpec]],
        console: Console,
        *,
        restarts: Restarts | None = None,
        holding: tuple[int, ...] = (),
        patience: float = SILENT_FOR,
    ) -> None:
        self._stages = stages
        self._console = console
        self._restarts = restarts
        self._holding = holding
        self._patience = patience
        self._mark = secrets.token_hex(16)
        self._guardian: subprocess.Popen[bytes] | None = None
        self._children: dict[str, Child] = {}
        self._stopping = asyncio.Event()
        self._impatient = asyncio.Event()

    async def run(self, when_ready: Callable[[], Awaitable[None]]) -> None:
        """Start everything, call `when_ready` once all are ready, and stop all at SIGTERM, SIGINT or a failed start.

        A second signal kills at once. When it returns, no process that stems from this one is left; nor is one soon
        after it was killed.

        Raises:
            ChildNeverReady: the first start failed.
        """
        adopt_orphans()
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(signum, self._signalled)
        self._start_guardian()
        keepers: list[asyncio.Task[None]] = [
            asyncio.create_task(take_leave_of_orphans()),
            asyncio.create_task(self._keep_guardian()),
        ]
        try:
            await first_of(self._start_all(when_ready, keepers), self._stopping.wait())
        finally:
            await self._stop(keepers)

    async def _start_all(self, when_ready: Callable[[], Awaitable[None]], keepers: list[asyncio.Task[None]]) -> None:
        for stage in self._stages:
            ready: list[asyncio.Future[None]] = []
            for spec in stage:
                ready.append(asyncio.get_running_loop().create_future())
                keeper = asyncio.create_task(self._keep(spec, ready[-1]))
                keeper.add_done_callback(_pass_on_to(ready[-1]))
                keepers.append(keeper)
            await asyncio.gather(*ready)
        await when_ready()
        await asyncio.gather(*keepers)

    def _signalled(self) -> None:
        if self._stopping.is_set():
            self._impatient.set()
        self._stopping.set()

    async def _keep(self, spec: ChildSpec, ready: asyncio.Future[None]) -> None:
        """Run a child, and again whenever it ends or falls silent; `ready` is done when it first may be counted on."""
        pause = FIRST_PAUSE
        while True:
            born = self._clock()
            with spec.ready.watch() as watch:
                child = self._children[spec.name] = await Child.start(
                    spec, self._console, {guardian.MARK: self._mark, **watch.environment}, holding=self._holding
                )
                if ready.done():
                    self._console.line(spec.name, "started again")
                silent, why = await self._end_of(child, watch, ready)
            if not ready.done():
                raise ChildNeverReady(spec.name, why)
            if self._clock() - born > STEADY_AFTER:
                pause = FIRST_PAUSE
            self._console.line(spec.name, f"{why}; starting it again in {pause:g} s")
            if self._restarts is not None:
                self._restarts.ended(spec.name, why, silent=silent)
            if silent:  # it would not heed a gentler signal
                kill(child.pid, signal.SIGKILL)
                await child.wait()
            await self._end_orphans()
            await child.end()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _end_of(self, child: Child, watch: Watch, ready: asyncio.Future[None]) -> tuple[bool, str]:
        """Wait for a child's end, or its silence: whether it is silent, and why it is to be started again."""
        ended = asyncio.create_task(child.wait())
        silence = asyncio.create_task(self._silence_of(child, watch, ready))
        try:
            await asyncio.wait((ended, silence), return_when=asyncio.FIRST_COMPLETED)
            return (False, _how_it_ended(ended.result())) if ended.done() else (True, silence.result())
        finally:
            ended.cancel()
            silence.cancel()

    async def _silence_of(self, child: Child, watch: Watch, ready: asyncio.Future[None]) -> str:
        """Wait until a child has been silent for too long; while it starts it may take longer than later."""
        try:
            async with asyncio.timeout(READY_WITHIN):
                await (watch.alive() if ready.done() else watch.ready())
        except TimeoutError:
            return f"was silent for {READY_WITHIN:.0f} seconds"
        if not ready.done():
            ready.set_result(None)
        elif self._restarts is not None:
            self._restarts.back(child.spec.name)
        await watch.silent(self._patience)
        return f"lives and did not answer for {self._patience:g} seconds"

    def _start_guardian(self) -> None:
        command = [sys.executable, "-IS", os.path.abspath(guardian.__file__), self._mark]
        # The pipe closes with this process, however that ends. Nothing else: it needs no terminal and no environment.
        self._guardian = subprocess.Popen(command, stdin=subprocess.PIPE, env={}, cwd="/", start_new_session=True)

    async def _keep_guardian(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if self._guardian is not None and self._guardian.poll() is not None:
                self._start_guardian()

    def _dismiss_guardian(self) -> None:
        if self._guardian is not None:
            self._guardian.kill()
            self._guardian.communicate()
            self._guardian = None

    async def _stop(self, keepers: list[asyncio.Task[None]]) -> None:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await first_of(self._stop_in_order(), self._impatient.wait())
        await asyncio.gather(*(child.end() for child in self._children.values()))
        self._dismiss_guardian()
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
        known = {child.pid for child in self._children.values()}
        if self._guardian is not None:
            known.add(self._guardian.pid)
        return set(children(os.getpid())) - known

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()


def _pass_on_to(ready: asyncio.Future[None]) -> Callable[[asyncio.Task[None]], None]:
    """Let whoever waits until a child is ready hear of the failure of what keeps it."""

    def pass_on(keeper: asyncio.Task[None]) -> None:
        if ready.done():
            return
        if keeper.cancelled() or (error := keeper.exception()) is None:
            ready.cancel()
        else:
            ready.set_exception(error)

    return pass_on


def _how_it_ended(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
