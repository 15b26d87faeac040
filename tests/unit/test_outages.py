"""A worker notices an outage of Prefect, waits for its end, and takes nothing else for one."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES

from prefect_jobs.worker import outages
from prefect_jobs.worker.outages import Outages, asking_once

AWAY = httpx.ConnectError("refused")


def answered(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "http://prefect.invalid")
    return httpx.HTTPStatusError("", request=request, response=httpx.Response(status, request=request))


@pytest.mark.parametrize("error", [AWAY, answered(500), answered(503), answered(429)])
def test_an_outage_is_borne_and_remembered(error: httpx.HTTPError) -> None:
    seen, before = Outages(), time.monotonic()
    with seen.borne():
        raise error
    assert seen.last_at >= before


def test_a_wrong_question_is_no_outage() -> None:
    seen = Outages()
    with pytest.raises(httpx.HTTPStatusError), seen.borne():
        raise answered(404)
    assert seen.last_at < 0


async def test_it_is_asked_until_the_server_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "ASK_AGAIN_AFTER", 0.0)
    answers: list[Any] = [AWAY, answered(503), "run"]

    async def ask() -> str:
        assert PREFECT_CLIENT_MAX_RETRIES.value() == 0  # Prefect's client would bear it silently
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    seen = Outages()
    assert await seen.patiently(ask, gives_up=lambda: False) == "run"
    assert seen.last_at > 0
    with asking_once():
        assert PREFECT_CLIENT_MAX_RETRIES.value() == 0
    assert PREFECT_CLIENT_MAX_RETRIES.value() > 0


async def test_a_worker_that_is_to_end_waits_no_longer() -> None:
    async def ask() -> str:
        raise AWAY

    with pytest.raises(httpx.ConnectError):
        await asyncio.wait_for(Outages().patiently(ask, gives_up=lambda: True), 5)
