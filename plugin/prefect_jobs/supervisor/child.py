"""One command under supervision: started on a leash and in a session of its own, so that a Ctrl-C in the terminal
reaches the supervisor only, and everything it started can be signalled as one group."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from prefect_jobs.leash import leashed
from prefect_jobs.processes import kill
from prefect_jobs.supervisor.console import Console
from prefect_jobs.supervisor.readiness import AnswersHttp, SaysReady


@dataclass(frozen=True)
class ChildSpec:
    """A command to keep running."""

    name: str
    command: tuple[str, ...]
    ready: AnswersHttp | SaysReady
    environment: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    """Variables beside, or instead of, those of the supervisor; None for one that it is not to have."""
    stop_seconds: float | None = 4.0
    """How long it may take to stop before it is killed; None for as long as it likes."""


class Child:
    """A running command."""

    def __init__(
        self,
        spec: ChildSpec,
        process: asyncio.subprocess.Process,
        output: asyncio.ReadTransport,
        copying: asyncio.Task[None],
    ) -> None:
        self.spec = spec
        self._process = process
        self._output = output
        self._copying = copying

    @classmethod
    async def start(
        cls, spec: ChildSpec, console: Console, environment: Mapping[str, str], *, holding: tuple[int, ...] = ()
    ) -> "Child":
        """Start a command; its output goes to the console. It holds these open files for as long as it lives."""
        # A pipe of our own: with asyncio's, the end of a process is not noticed while an orphan of its holds the pipe.
        read_end, write_end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *leashed(spec.command, signal.SIGTERM),
                env=_environment(spec, environment),
                pass_fds=holding,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.close(write_end)
        reader = asyncio.StreamReader()
        output, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
        )
        return cls(spec, process, output, asyncio.create_task(console.copy(spec.name, reader)))

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its group."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for its end; its exit code, negative for a signal."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to stop, kill it and its group when it takes too long."""
        kill(self.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), self.spec.stop_seconds)
        await self.end()

    async def end(self) -> None:
        """Kill what is left of it and its group."""
        kill(self.pid, signal.SIGKILL, group=True)
        await self.wait()
        # What is written is read; what an orphan of its may still write is not awaited.
        await asyncio.wait({self._copying}, timeout=0.5)
        self._output.close()
        await asyncio.wait({self._copying})


def _environment(spec: ChildSpec, further: Mapping[str, str]) -> dict[str, str]:
    wanted = {**os.environ, "PYTHONUNBUFFERED": "1", **spec.environment, **further}
    return {name: value for name, value in wanted.items() if value is not None}
