"""Files that are sent to the API: to disk as they arrive, within their limit, and gone when nothing comes of them."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from prefect_jobs.api.uploads import received_file
from tests.unit.serving import KEYS, OPERATOR, VIEWER, Client, served

LIMIT = 3 << 20


@pytest.fixture
def client(tmp_path: Path) -> Generator[Client]:
    with served(tmp_path, deployed=("import",), upload_limit=LIMIT) as opened:
        yield opened


def uploads(folder: Path) -> list[str]:
    return os.listdir(folder / "uploads") if (folder / "uploads").exists() else []


def parameters(client: Client, job_id: str) -> dict[str, Any]:
    return client.get(f"/api/jobs/{job_id}/detail").json()["metadata"]["input_params"]


def test_a_file_becomes_an_import_of_it(client: Client, tmp_path: Path) -> None:
    content = b"[" + b" " * (2 << 20) + b"]"  # more than any other body may have
    answer = client.post("/api/events/import", content=content, params={"on_duplicate": "update", "dry_run": "true"})
    job_id = answer.json()["job_id"]
    assert (answer.status_code, answer.json()) == (
        202,
        {
            "job_id": job_id,
            "status": "pending",
            "message": f"Import job created. Use GET /api/jobs/{job_id} to track progress.",
        },
    )
    [name] = uploads(tmp_path)
    assert parameters(client, job_id) == {"upload": name, "on_duplicate": "update", "dry_run": True}
    file = tmp_path / "uploads" / name
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (content, 0o600)


def test_text_that_no_other_body_may_hold_is_for_the_import_to_judge(client: Client, tmp_path: Path) -> None:
    assert client.post("/api/events/import", content=b'[{"a": "\\u0000"}]').status_code == 202


def test_a_file_that_is_too_large_is_refused_whether_it_says_so_or_not(client: Client, tmp_path: Path) -> None:
    def unannounced() -> Iterator[bytes]:
        yield from [b"x" * (1 << 20)] * 4

    for content in (b"x" * (LIMIT + 1), unannounced()):
        answer = client.post("/api/events/import", content=content)
        assert (answer.status_code, answer.headers["connection"]) == (413, "close")
        assert answer.json()["detail"] == f"The file has more than {LIMIT} bytes"
    assert uploads(tmp_path) == []


def test_an_empty_file_is_refused(client: Client, tmp_path: Path) -> None:
    answer = client.post("/api/events/import")
    assert (answer.status_code, answer.json()["error"]["errors"][0]["field"]) == (422, "body")
    assert uploads(tmp_path) == []


@pytest.mark.parametrize("wrong", [{"on_duplicate": "merge"}, {"dry_run": "perhaps"}])
def test_a_wrong_option_is_named_and_nothing_kept(client: Client, tmp_path: Path, wrong: dict[str, str]) -> None:
    answer = client.post("/api/events/import", content=b"[]", params=wrong)
    assert [error["field"] for error in answer.json()["error"]["errors"]] == [f"query.{name}" for name in wrong]
    assert uploads(tmp_path) == []


def test_nothing_is_kept_when_no_job_can_be_started(tmp_path: Path) -> None:
    with served(tmp_path, deployed=()) as client:
        assert client.post("/api/events/import", content=b"[]").status_code == 409
        client.app.state.fake.go_down()
        assert client.post("/api/events/import", content=b"[]").status_code == 503
    assert uploads(tmp_path) == []


def test_who_may_not_start_jobs_sends_nothing(tmp_path: Path) -> None:
    with served(tmp_path, deployed=("import",), api_keys=KEYS) as client:
        for key, status in ((None, 401), (VIEWER, 403), (OPERATOR, 202)):
            headers = {"X-API-Key": key} if key else {}
            answer = client.post("/api/events/import", content=b"[]", headers=headers)
            assert answer.status_code == status
            assert len(uploads(tmp_path)) == (status == 202)


class Trickle(Request):
    """A request whose body comes one byte at a time, each at once."""

    def __init__(self) -> None:
        super().__init__({"type": "http", "method": "POST", "path": "/", "headers": []})

    async def stream(self) -> AsyncGenerator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b"x"


async def test_a_file_that_comes_one_byte_at_a_time_is_given_up(tmp_path: Path) -> None:
    """A byte every half minute kept a connection, and a file, for as long as somebody liked."""
    with pytest.raises(HTTPException) as refused:
        async with received_file(Trickle(), tmp_path / "uploads", limit=LIMIT, patience=0.2):
            raise AssertionError("it cannot be whole")

    assert refused.value.status_code == 408
    assert uploads(tmp_path) == []
