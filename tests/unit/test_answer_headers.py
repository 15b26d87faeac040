"""An answer of the API is data, whatever a browser would make of it."""

import base64
import hashlib
import re
from collections.abc import Generator
from pathlib import Path

import pytest

from prefect_jobs.api.answer_headers import FRAMES, HEADERS
from prefect_jobs.gateway.fake import completed
from prefect_jobs_ui import mount_page
from tests.unit.serving import KEYS, VIEWER, Client, served


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[Client]:
    folder = tmp_path_factory.mktemp("headers")
    (folder / "exports").mkdir()
    (folder / "exports" / "a.csv").write_text("a,b\n")
    with served(folder, [completed(id="one")], api_keys=KEYS) as opened:
        opened.app.add_api_route("/broken", broken)
        yield opened


async def broken() -> None:
    raise ValueError("a mistake of ours")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/jobs", 200),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/static-offline-docs/swagger-ui.css", 200),
        ("GET", "/api/jobs/one/logs/download", 200),
        ("GET", "/api/jobs/missing", 404),
        ("GET", "/nowhere", 404),
        ("PUT", "/healthz", 405),
        ("GET", "/api/jobs?limit=x", 422),
        ("GET", "/api/jobs/", 307),
        ("GET", "/broken", 500),
        ("POST", "/api/jobs/one/abort", 403),
    ],
)
def test_every_answer_says_that_it_is_no_page(client: Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, headers={"X-API-Key": VIEWER}, follow_redirects=False)

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert answer.headers[FRAMES] == "DENY"


def test_so_does_the_answer_to_who_may_not_ask(client: Client) -> None:
    for headers in ({}, {"Host": "evil.example"}, {"Host": "["}):
        answer = client.get("/api/jobs", headers=headers)
        assert answer.status_code in (400, 401, 403)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize("path", ["/docs", "/docs/oauth2-redirect"])
def test_the_description_runs_the_scripts_that_it_came_with_and_no_other(client: Client, path: str) -> None:
    answer = client.get(path, headers={"X-API-Key": VIEWER})
    policy = answer.headers["content-security-policy"]
    scripts = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)

    assert answer.status_code == 200
    assert scripts
    for script in scripts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy.partition("style-src")[0]
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_keeps_its_own_policy_and_whom_it_lets_frame_it(tmp_path: Path) -> None:
    with served(tmp_path, api_keys=KEYS) as client:
        mount_page(client.app, api_url="http://127.0.0.1:1", frame_origins=["https://ops.example.org"])
        client.app.middleware_stack = client.app.build_middleware_stack()
        answer = client.get("/jobs")

    assert "frame-ancestors 'self' https://ops.example.org" in answer.headers["content-security-policy"]
    assert FRAMES not in answer.headers
