"""Twenty clients that write at once on the embedded server, whose database has one connection: a promise in seconds, so
it is asked where nothing else fills the machine."""

import asyncio

import httpx

from tests.stack import Stack

CLIENTS = 20
ROUNDS = 3
SLOWEST = 2.0  # seconds, what the embedded server promises


async def test_twenty_clients_at_once_are_all_answered_soon(stack: Stack) -> None:
    slowest = 0.0

    async with httpx.AsyncClient(base_url=stack.prefect_api_url, timeout=60) as http:

        async def ask(path: str, body: object) -> dict[str, str]:
            nonlocal slowest
            began = asyncio.get_running_loop().time()
            answer = await http.post(path, json=body)
            slowest = max(slowest, asyncio.get_running_loop().time() - began)
            assert answer.is_success, (path, answer.status_code, answer.text)
            return answer.json()

        flow = await ask("/flows/", {"name": "crowd"})

        async def live() -> None:
            for _ in range(ROUNDS):
                run = await ask("/flow_runs/", {"flow_id": flow["id"], "state": {"type": "SCHEDULED"}})
                for state in ("PENDING", "RUNNING", "COMPLETED"):
                    await ask(f"/flow_runs/{run['id']}/set_state", {"state": {"type": state}})

        await asyncio.gather(*(live() for _ in range(CLIENTS)))

    assert slowest < SLOWEST
