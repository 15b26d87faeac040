"""Ten thousand requests that nobody thought of, and not one answer of 5xx.

They are made from the OpenAPI schema: half of them are what it allows, half break it somewhere. The Prefect behind is
the shipped fake, and it is up: not even 503 is an excuse.
"""

import json
import math
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from prefect_jobs.api.app import create_app
from prefect_jobs.gateway.fake import FakePrefect
from prefect_jobs.settings import Settings
from tests.fuzz.target import KNOWN_ID, Target

CASES = 10_000
CLIENTS_LONGEST = 60_000

SCHEMA: Any = create_app(Settings(data_dir=Path("unused")), FakePrefect().connect()).openapi()
OPERATIONS = [(method, path) for path, methods in SCHEMA["paths"].items() for method in methods]
EACH = math.ceil(CASES / len(OPERATIONS))


def cases(method: str, path: str) -> st.SearchStrategy[Any]:
    """Requests of one operation, allowed and not; every other one that names a job names a real one."""
    openapi: Any = schemathesis.openapi
    operation = openapi.from_dict(SCHEMA)[path][method.upper()]
    kinds = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)

    def of_known_job(case: Any, known: bool) -> Any:
        if known and "job_id" in (case.path_parameters or {}):
            case.path_parameters["job_id"] = KNOWN_ID
        return case

    strategies = [operation.as_strategy(generation_mode=kind) for kind in kinds]
    return st.builds(of_known_job, st.one_of(strategies), st.booleans())


def prepared(case: Any) -> dict[str, Any]:
    """The case as bytes for any client."""
    request = requests.Request(**case.as_transport_kwargs(base_url="http://127.0.0.1")).prepare()
    # The client sends no longer address; ours refuses one of that length.
    url = (request.url or "")[:CLIENTS_LONGEST]
    return {"method": request.method, "url": url, "headers": request.headers, "content": request.body}


@pytest.fixture(scope="module")
def asked() -> list[int]:
    """The status of every answer, of all tests of this file."""
    statuses: list[int] = []
    return statuses


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_no_request_breaks_it(target: Target, asked: list[int], method: str, path: str) -> None:
    target.restore()
    before = len(asked)

    @hypothesis.settings(
        max_examples=EACH,
        database=None,
        deadline=None,
        derandomize=True,  # the same requests tomorrow: a failure is somebody's change
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(cases(method, path))
    def ask(case: Any) -> None:
        request = prepared(case)
        answer = target.send(**request)
        asked.append(answer.status_code)
        assert answer.status_code < 500, (request, answer.text)
        if answer.headers.get("content-type", "").startswith("application/") and answer.content:
            assert_of_the_contract(answer.status_code, answer.headers["content-type"], answer.content)

    ask()
    # An operation with few possible requests has each of them once; the others make up for it below.
    while len(asked) - before < EACH:
        answer = target.send(method=method.upper(), url=path.replace("{job_id}", KNOWN_ID))
        asked.append(answer.status_code)
        assert answer.status_code < 500, answer.text


def assert_of_the_contract(status: int, content_type: str, content: bytes) -> None:
    """Errors have one of the contract's shapes (1.1, 1.2)."""
    if status == 422:
        assert content_type == "application/json"
        assert json.loads(content)["error"]["code"] == "VALIDATION_ERROR"
    elif status >= 400 and status != 401:
        assert content_type == "application/problem+json"
        assert json.loads(content)["status"] == status


def test_so_many_were_asked(asked: list[int]) -> None:
    """Counted, so that nobody has to believe it; skipped where somebody chose single tests of this file."""
    if len(asked) < EACH * len(OPERATIONS) * 0.9:
        pytest.skip("not all operations were asked")

    assert len(asked) >= CASES
    assert any(status < 300 for status in asked)
