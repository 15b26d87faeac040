"""Tabs without a browser: each holds a session of the page and the live log of a job, as a tab does, and draws nothing.

    python -m benchmarks.light_viewers http://127.0.0.1:8000 JOB_ID COUNT

A hundred tabs of one Chromium measure the drawing of that Chromium. Prints `ready` when all are connected, and stays
until it is killed.
"""

import asyncio
import re
import sys
from typing import Any

import httpx
import websockets
from bokeh.protocol import Protocol


async def _view(client: httpx.AsyncClient, api_url: str, job_id: str, connected: asyncio.Semaphore) -> None:
    """One tab: the page, its session, the log of the job. Reads whatever comes."""
    page = await client.get(f"{api_url}/jobs?job={job_id}")
    token = re.search(r'"token":"([^"]+)"', page.text)
    assert token is not None, page.text[:200]
    sockets = api_url.replace("http", "ws", 1)
    open_socket: Any = websockets.connect
    async with (
        open_socket(f"{sockets}/jobs/ws", subprotocols=["bokeh", token[1]], max_size=None, proxy=None) as session,
        open_socket(f"{sockets}/ws/jobs/{job_id}/logs?after=0", max_size=None, proxy=None) as log,
    ):
        await session.recv()
        message = Protocol().create("PULL-DOC-REQ")
        for part in (message.header_json, message.metadata_json, message.content_json):
            await session.send(part)
        connected.release()
        await asyncio.gather(_read(session), _read(log))


async def _read(socket: Any) -> None:
    async for _ in socket:
        pass


async def view(api_url: str, job_id: str, count: int) -> None:
    """Open so many, and stay."""
    connected = asyncio.Semaphore(0)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client, asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(_view(client, api_url, job_id, connected))
            await connected.acquire()
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(view(sys.argv[1], sys.argv[2], int(sys.argv[3])))
