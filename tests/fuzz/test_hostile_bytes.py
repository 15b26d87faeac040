"""Ten thousand requests as bytes, at the real server with its page: no answer of 5xx, no traceback in its log.

Half of them go to a server that asks for keys, most of those without a good one. What a request says is seeded: the
same tomorrow.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_jobs.api.app import create_app
from prefect_jobs.api.session import COOKIE
from prefect_jobs.gateway.fake import FakePrefect
from prefect_jobs.settings import Settings
from tests.fuzz.raw_requests import RawRequest, raw_request
from tests.served_process import ServedProcess, served_process
from tests.unit.serving import KEYS, OPERATOR

CASES = 10_000
AT_ONCE = 24
ANSWER_WITHIN = 60.0
FRAMES_WITHIN = 0.2
PATIENCE: dict[str, Any] = {"head_timeout": "1", "body_timeout": "1"}
"""Some requests are never whole: the servers need not wait for them for long."""
TROUBLE = re.compile(
    r"^(?:Traceback|.*Fatal error|.*never retrieved|.*Exception in|.*without completing).*", re.MULTILINE
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[ServedProcess, ServedProcess]]:
    """One that anybody may use, and one that asks for keys."""
    with (
        served_process(tmp_path_factory.mktemp("open"), **PATIENCE) as anybody,
        served_process(tmp_path_factory.mktemp("closed"), api_keys=KEYS, **PATIENCE) as keys,
    ):
        yield anybody, keys


async def status_of(case: RawRequest, port: int) -> int:
    """The status of the answer, 0 where the connection ended without one."""
    async with asyncio.timeout(ANSWER_WITHIN):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(case.data)
            status = 100
            while status == 100:
                line = await reader.readline()
                while not line.strip() and line:
                    line = await reader.readline()
                status = int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else 0
            if status == 101:
                await reader.readuntil(b"\r\n\r\n")
                for frame in case.frames:
                    writer.write(frame)
                with suppress(TimeoutError):
                    async with asyncio.timeout(FRAMES_WITHIN):  # not every frame is answered
                        await reader.read(65_536)
            return status
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0
        finally:
            writer.transport.abort()


@pytest.mark.timeout(600)
async def test_no_bytes_break_it(servers: tuple[ServedProcess, ServedProcess]) -> None:
    schema = create_app(Settings(data_dir=Path("unused")), FakePrefect().connect()).openapi()
    async with httpx.AsyncClient(base_url=servers[True].url) as client:
        session = (await client.post("/api/session", json={"api_key": OPERATOR})).cookies[COOKIE]
    cases = iter(raw_request(number, schema, session, OPERATOR) for number in range(CASES))
    statuses, broken = Counter[int](), list[tuple[int, bytes, list[bytes]]]()

    async def ask() -> None:
        for case in cases:
            status = await status_of(case, servers[case.with_keys].port)
            statuses[status] += 1
            if status >= 500:
                broken.append((status, case.data[:2000], [*case.frames]))

    async with asyncio.TaskGroup() as askers:
        for _ in range(AT_ONCE):
            askers.create_task(ask())

    assert statuses.total() == CASES
    assert broken == []
    for served in servers:
        trouble = TROUBLE.search(served.log)
        assert trouble is None, served.log[max(0, trouble.start() - 2000) : trouble.start() + 6000]
        async with httpx.AsyncClient(timeout=30) as client:
            assert (await client.get(f"{served.url}/healthz")).is_success
    # Enough of them came as far as a route, a page and a socket.
    assert {101, 200, 400, 401, 403, 404, 405, 422} <= set(statuses)
    assert statuses[0] < CASES * 0.1, statuses
