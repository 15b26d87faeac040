"""Requests that no browser sends to the page: none ends in a traceback, and every answer keeps the page's policy."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlsplit

import httpx
import pytest

from tests.ui.conftest import Site
from tests.ui.contract_double import job

BUNDLE = "/components/prefect_jobs_ui.components/JobList/_bundle_path/dist/jobs.bundle.js"
FILES = ("/jobs/assets/page.css", "/static/js/bokeh.min.js", BUNDLE)
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "bokeh, junk"}  # fmt: skip
UNREADABLE_HOSTS = ("[", "[::1", "]", "h:port", "h:99999")


async def ask(site: Site, target: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Send a request as it stands, which no client library would."""
    host = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(host.hostname, host.port)
    said = {
        "Host": host.netloc,
        "Connection": "close",
        **{key.replace("_", "-"): text for key, text in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
    async with asyncio.timeout(30):
        answer = await reader.read() if "Upgrade" not in headers else await reader.readuntil(b"\r\n\r\n")
    writer.close()
    first, _, body = answer.decode("latin-1").partition("\r\n\r\n")
    status, *lines = first.split("\r\n")
    return int(status.split()[1]), {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}, body


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING)
    return caplog


@pytest.mark.parametrize("path", ["/jobs", "/jobs/", "/jobs/alive", "/jobs/nothing", *FILES])
async def test_a_host_that_cannot_be_read_is_told_so(site: Site, path: str, quiet: pytest.LogCaptureFixture) -> None:
    for host in UNREADABLE_HOSTS:
        assert (await ask(site, path, Host=host))[0] == 400
    assert not quiet.records


async def test_a_socket_of_an_unreadable_host_or_origin_never_opens(
    site: Site, quiet: pytest.LogCaptureFixture
) -> None:
    for host in UNREADABLE_HOSTS:
        assert (await ask(site, "/jobs/ws", **UPGRADE, Host=host))[0] in (400, 403)
    for origin in ("http://[", "http://[::1", "http://]", "[", "http://h:port", "://", "http:", "\xff", "a" * 5000):
        assert (await ask(site, "/jobs/ws", **UPGRADE, Origin=origin))[0] == 403
        assert (await ask(site, "/jobs", Origin=origin))[0] == 200
    assert not quiet.records


@pytest.mark.parametrize(
    "path",
    [
        "/components/prefect_jobs_ui.components/x",
        "/components/prefect_jobs_ui.components/",
        "/components/prefect_jobs_ui.components/JobList/_esm/x",
        "/components/prefect_jobs_ui.components/JobList/_bundle_path/dist/../js/toolbar.js",
        "/components/prefect_jobs_ui.components/JobList/_resources/x",
        "/components/prefect_jobs_ui.components/nobody/_bundle_path/dist/jobs.bundle.js",
        "/components/os/path/_css/x",
        "/components/%2e%2e/x",
        "/components/",
        "/components",
        "/jobs/assets/../page.html",
        "/jobs/assets/%2e%2e/page.html",
        "/jobs/assets/..%2f..%2f..%2f..%2f..%2fetc/passwd",
        "/jobs/assets/..%5c..%5cpage.html",
        "/jobs/assets/..\\page.html",
        "/jobs/assets//etc/passwd",
        "/jobs/assets/%00",
        "/jobs/assets/page.css%00.js",
        "/jobs/assets/%ff%fe",
        "/jobs/assets/%ed%a0%80",
        "/jobs/assets/" + "x" * 5000,
        "/jobs/assets/page.css/more",
        "/jobs/assets/",
        "/static/",
        "/static/../server.py",
        "/static/%2e%2e/%2e%2e/%2e%2e/settings.py",
        "/static/extensions/panel/..%2f..%2f..%2fconfig.py",
        "/static/extensions/nobody/x.js",
        "/static/js/%00",
        "/static/js/..%5cbokeh.js",
        "/static/" + "a/" * 2000,
        "/jobs/autoload.js?bokeh-autoload-element=x",
        "/jobs/metadata",
        "/jobs/ws",
        "/jobs/%00",
        "/jobs%00",
        "/jobs/ws/",
        "/jobs//ws",
    ],
)
async def test_what_is_not_there_is_not_found(site: Site, path: str, quiet: pytest.LogCaptureFixture) -> None:
    for method in ("GET", "HEAD"):
        status, headers, body = await ask(site, path, method=method)
        assert status in (400, 404, 405) or (status == 307 and path.endswith("/"))
        assert "root:" not in body
        if path.startswith(("/jobs/", "/static/", "/components")):
            assert headers["x-content-type-options"] == "nosniff"
    assert not quiet.records


@pytest.mark.parametrize(
    "query",
    [
        "bokeh_session_id=junk", "bokeh-session-id=", "bokeh-absolute-url=http://evil.example",
        "bokeh-protocol-version=9",
                "q=%ff%fe", "q=%00", "q=%ed%a0%80", "job=%ff", "job=../../x", "job=%00", "job=" + "x" * 20_000,
        "q=" + "%25" * 5000,
        "&&&", "=", "%", "%zz", "q", "q=a;q=b", "embed=%00", "view[]=x", "status=%0d%0aX:1",
        "&".join(["a=b"] * 3000),
        "q=" + "(" * 3000, "type=" + "%E2%98%83" * 1000,
    ],
)  # fmt: skip
async def test_whatever_the_address_says_it_is_the_page(
    site: Site, query: str, quiet: pytest.LogCaptureFixture
) -> None:
    site.double.put(job("one"))
    status, headers, body = await ask(site, f"/jobs?{query}")
    assert status == 200
    assert 'data-testid="jobs-page"' in body
    assert "x" not in headers
    assert not quiet.records


@pytest.mark.parametrize(
    "cookie",
    [
        "prefect_jobs_session=", "prefect_jobs_session", "prefect_jobs_session=\xe9", 'prefect_jobs_session="\xe9"',
        'prefect_jobs_session="\\015\\012X: 1"', "prefect_jobs_session=a,b", "prefect_jobs_session=" + "x" * 3000,
        "=", ";;;", "a=b; prefect_jobs_session=junk; [=]", "\xff", '"', "expires=1; path=/; prefect_jobs_session=x",
    ],
)  # fmt: skip
async def test_a_cookie_that_cannot_be_ours_is_nobodys(
    site: Site, cookie: str, quiet: pytest.LogCaptureFixture
) -> None:
    assert (await ask(site, "/jobs", Cookie=cookie))[0] == 200
    site.double.keys = {"veras-key": ("vera", "viewer")}
    assert (await ask(site, "/jobs", Cookie=cookie))[0] == 401
    assert (await ask(site, "/jobs/ws", **UPGRADE, Cookie=cookie))[0] == 403
    assert not quiet.records


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "X"])
async def test_the_page_is_read_and_nothing_else(site: Site, method: str, quiet: pytest.LogCaptureFixture) -> None:
    for path in ("/jobs", "/jobs/alive", *FILES):
        assert (await ask(site, path, method=method))[0] in (200, 400, 405)
    assert site.page.sessions == 0
    assert not quiet.records


async def test_every_answer_of_the_page_says_its_type_and_who_may_frame_it(site: Site) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=site.url) as client:
        paths = [
            "/jobs",
            "/jobs/",
            "/jobs/alive",
            "/jobs/none",
            "/jobs/assets/none",
            "/static/none",
            "/components/none",
        ]
        answers = [await client.get(path) for path in (*paths, *FILES)]
        answers.append(await client.post("/jobs"))
        answers.append(await client.get("/jobs", headers={"Host": "["}))
        site.double.keys = {"veras-key": ("vera", "viewer")}
        answers += [await client.get("/jobs"), await client.get("/jobs/none")]
        assert {answer.status_code for answer in answers} == {200, 204, 307, 400, 401, 404, 405}
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert answer.headers["referrer-policy"] == "same-origin"
