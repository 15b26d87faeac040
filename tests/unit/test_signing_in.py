"""Who may use a server with API keys, and what for (contract 1.1, 16.8)."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from prefect_jobs.api.keys import RULES, role_for
from prefect_jobs.api.session import COOKIE
from prefect_jobs.api.sign_in import (
    ADDRESSES_KEPT,
    ATTEMPTS,
    ATTEMPTS_WITHIN,
    GUESSES,
    Attempts,
    SignIns,
    TooManyAttempts,
)
from prefect_jobs.api_keys import parse_keys
from prefect_jobs.gateway.fake import completed
from prefect_jobs.store import SessionStore
from prefect_jobs.store.database import Database
from tests.unit.serving import ADMIN, KEYS, OPERATOR, VIEWER, Client, opened_socket, served

MISSING = {"detail": "API key required. Provide via X-API-Key header or api_key query parameter."}
WRONG = {"detail": "Invalid API key"}
LOGS = "/ws/jobs/nobody/logs"


@pytest.fixture
def client(tmp_path: Path) -> Generator[Client]:
    with served(tmp_path, [completed(id="one")], api_keys=KEYS) as opened:
        yield opened


@pytest.fixture
def open_client(tmp_path: Path) -> Generator[Client]:
    with served(tmp_path) as opened:
        yield opened


def test_without_a_key_the_answer_is_401_in_the_contracts_words(client: Client) -> None:
    answer = client.get("/api/jobs")

    assert (answer.status_code, answer.json()) == (401, MISSING)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("key", ["not-a-key-of-anybody", "", "ä" * 16])
def test_with_a_wrong_key_the_answer_says_so(client: Client, key: str) -> None:
    by_header = client.get("/api/jobs", headers={b"X-API-Key": key.encode()})
    by_query = client.get("/api/jobs", params={"api_key": key})

    assert (by_header.status_code, by_header.json()) == (401, WRONG)
    assert (by_query.status_code, by_query.json()) == (401, WRONG)


def test_a_key_opens_by_header_and_by_query(client: Client) -> None:
    assert client.get("/api/jobs", headers={"X-API-Key": VIEWER}).status_code == 200
    assert client.get("/api/jobs", params={"api_key": VIEWER}).status_code == 200


def test_a_wrong_key_beside_a_good_session_does_not_open(client: Client) -> None:
    client.post("/api/session", json={"api_key": VIEWER})

    assert client.get("/api/jobs").status_code == 200
    assert client.get("/api/jobs", headers={"X-API-Key": "not-a-key-of-anybody"}).status_code == 401


@pytest.mark.parametrize("query", ["", "?api_key=not-a-key-of-anybody", "?token=nonsense"])
def test_a_socket_without_a_good_key_is_accepted_and_closed_with_1008(client: Client, query: str) -> None:
    with opened_socket(client, LOGS + query) as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_text()

    assert closed.value.code == 1008


@pytest.mark.parametrize("place", ["api_key", "token"])
def test_a_socket_takes_the_key_from_its_address(client: Client, place: str) -> None:
    with opened_socket(client, f"{LOGS}?{place}={VIEWER}") as socket:
        socket.send_text("ping")
        assert "pong" in {socket.receive_json()["type"] for _ in range(2)}


def test_a_socket_takes_the_key_as_an_offered_protocol_and_chooses_it(client: Client) -> None:
    with opened_socket(client, LOGS, subprotocols=["other", f"api-key.{VIEWER}"]) as socket:
        assert socket.accepted_subprotocol == f"api-key.{VIEWER}"
        assert socket.receive_json()["type"] == "position"


def test_a_browser_that_offers_a_key_where_none_is_asked_for_gets_its_socket(open_client: Client) -> None:
    with opened_socket(open_client, LOGS, subprotocols=[f"api-key.{VIEWER}"]) as socket:
        assert socket.accepted_subprotocol == f"api-key.{VIEWER}"


def test_a_socket_refused_by_protocol_is_told_so_in_that_protocol(client: Client) -> None:
    with opened_socket(client, LOGS, subprotocols=["api-key.not-a-key-of-anybody"]) as socket:
        assert socket.accepted_subprotocol == "api-key.not-a-key-of-anybody"
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 1008


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/api/jobs", "viewer"),
        ("GET", "/metrics", "viewer"),
        ("GET", "/docs", "viewer"),
        ("GET", "/ws/system", "viewer"),
        ("GET", "/api/jobs/bulk-cancel", "viewer"),
        ("POST", "/api/jobs", "operator"),
        ("POST", "/api/jobs/x/cancel", "operator"),
        ("POST", "/api/jobs/x/retry", "operator"),
        ("DELETE", "/api/jobs/x", "operator"),
        ("POST", "/api/events/export", "operator"),
        ("BREW", "/api/what/comes/next", "operator"),
        ("POST", "/api/jobs/x/abort", "admin"),
        ("POST", "/api/jobs/x/abort\n", "admin"),
        ("POST", "/api/jobs/bulk-cancel", "admin"),
        ("POST", "/api/jobs/bulk", "admin"),
        ("DELETE", "/api/jobs/bulk/7", "admin"),
        ("GET", "/healthz", None),
        ("GET", "/readyz", None),
        ("POST", "/api/session", None),
        ("GET", "/jobs", None),
        ("GET", "/jobs/ws", None),
        ("GET", "/jobsandmore", "viewer"),
    ],
)
def test_each_route_takes_its_role(method: str, path: str, role: str | None) -> None:
    assert role_for(method, path) == role


def test_a_role_that_is_short_gets_a_problem_document(client: Client) -> None:
    answer = client.post("/api/events/export", json={}, headers={"X-API-Key": VIEWER})

    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "This takes the role operator, and your API key has the role viewer",
        "instance": "/api/events/export",
    }
    assert client.post("/api/events/export", json={}, headers={"X-API-Key": OPERATOR}).status_code == 202
    assert client.post("/api/jobs/one/abort", headers={"X-API-Key": OPERATOR}).status_code == 403
    assert client.post("/api/jobs/one/abort", headers={"X-API-Key": ADMIN}).status_code != 403


def test_no_rule_can_be_passed_by_a_line_feed_at_the_end() -> None:
    assert all(rule.paths.pattern.endswith("$") for rule in RULES)


def test_health_is_open_and_readiness_keeps_its_reasons_for_who_may_read(client: Client) -> None:
    assert client.get("/healthz").status_code == 200
    client.app.state.fake.go_down()

    anybody, viewer = client.get("/readyz"), client.get("/readyz", headers={"X-API-Key": VIEWER})
    assert anybody.status_code in (200, 503)
    assert "prefect.invalid" not in anybody.text
    assert viewer.json()["version"] > 0


def test_signing_in_gives_a_cookie_that_no_script_and_no_other_site_gets(client: Client) -> None:
    answer = client.post("/api/session", json={"api_key": OPERATOR})

    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["role"], answer.json()["sign_in"]) == ("otto", "operator", True)
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "strict"
    assert cookie["path"] == "/"
    assert not cookie["secure"]
    assert 0 < int(cookie["max-age"]) <= 12 * 3600
    assert OPERATOR not in answer.headers["set-cookie"]
    assert client.get("/api/jobs").status_code == 200
    assert client.get("/api/session").json() == {
        "name": "otto",
        "role": "operator",
        "sign_in": True,
        "expires_at": None,
    }
    with opened_socket(client, LOGS) as socket:
        assert socket.receive_json()["type"] == "position"


def test_over_https_the_cookie_is_secure(tmp_path: Path) -> None:
    with served(tmp_path, base_url="https://127.0.0.1", api_keys=KEYS) as client:
        answer = client.post("/api/session", json={"api_key": VIEWER})

    assert SimpleCookie(answer.headers["set-cookie"])[COOKIE]["secure"]


def test_a_cookie_of_another_application_does_not_hide_ours(client: Client) -> None:
    client.post("/api/session", json={"api_key": VIEWER})
    token = client.cookies[COOKIE]
    client.cookies.clear()

    answer = client.get("/api/jobs", headers={"Cookie": f'od"d[=x; {COOKIE}={token}; other=1'})

    assert answer.status_code == 200


def test_signing_out_ends_the_session_for_every_holder_of_the_cookie(client: Client) -> None:
    client.post("/api/session", json={"api_key": VIEWER})
    token = client.cookies[COOKIE]

    assert client.delete("/api/session").status_code == 204
    assert COOKIE not in client.cookies
    assert client.get("/api/jobs", headers={"Cookie": f"{COOKIE}={token}"}).status_code == 401
    assert client.delete("/api/session").status_code == 204


def test_signing_out_closes_the_sockets_that_the_session_opened(client: Client) -> None:
    client.post("/api/session", json={"api_key": VIEWER})
    with opened_socket(client, LOGS) as socket:
        assert socket.receive_json()["type"] == "position"
        client.delete("/api/session")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()

    assert closed.value.code == 1008


def test_signing_in_again_ends_the_session_before(client: Client) -> None:
    client.post("/api/session", json={"api_key": VIEWER})
    former = client.cookies[COOKIE]
    client.post("/api/session", json={"api_key": ADMIN})

    assert client.get("/api/session").json()["name"] == "ada"
    client.cookies.clear()
    assert client.get("/api/session", headers={"Cookie": f"{COOKIE}={former}"}).status_code == 401


def test_a_wrong_key_signs_nobody_in_and_too_many_are_told_to_wait(client: Client) -> None:
    for _ in range(ATTEMPTS):
        answer = client.post("/api/session", json={"api_key": "not-a-key-of-anybody"})
        assert (answer.status_code, answer.json()) == (401, WRONG)
        assert "set-cookie" not in answer.headers

    answer = client.post("/api/session", json={"api_key": VIEWER})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= ATTEMPTS_WITHIN
    assert client.get("/api/jobs", headers={"X-API-Key": VIEWER}).status_code == 200


def guess(client: Client, way: str, key: str) -> int:
    """Try a key; the status of the answer, 401 and 429 for a socket too."""
    if way == "header":
        return client.get("/api/jobs", headers={"X-API-Key": key}).status_code
    if way == "query":
        return client.get("/metrics", params={"api_key": key}).status_code
    if way == "who am I":
        return client.get("/api/session", headers={"X-API-Key": key}).status_code
    if way == "form":
        return client.post("/api/session", json={"api_key": key}).status_code
    options: dict[str, Any] = {"subprotocols": [f"api-key.{key}"]} if way == "protocol" else {}
    with opened_socket(client, LOGS + (f"?{way}={key}" if not options else ""), **options) as socket:
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert closed.value.code == 1008
        return 429 if "Too many" in closed.value.reason else 401


@pytest.mark.parametrize("way", ["header", "query", "who am I", "token", "api_key", "protocol"])
def test_every_wrong_key_counts_wherever_it_is_tried(client: Client, way: str) -> None:
    """The limit counted the form only: whoever guessed by `X-API-Key` had as many guesses as the line carried."""
    answers = [guess(client, way, f"not-a-key-of-anybody-{number}") for number in range(ATTEMPTS + 1)]

    assert answers == [401] * ATTEMPTS + [429]
    assert guess(client, "form", "not-a-key-of-anybody") == 429
    refused = client.get("/api/jobs", headers={"X-API-Key": "not-a-key-of-anybody"})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= ATTEMPTS_WITHIN
    assert refused.headers["content-type"] == "application/problem+json"


def test_who_shares_an_address_with_somebody_who_guesses_goes_on_working(client: Client) -> None:
    assert guess(client, "header", OPERATOR) == 200
    for number in range(GUESSES + 1):
        guess(client, "header", f"not-a-key-of-anybody-{number}")

    assert guess(client, "header", OPERATOR) == 200
    assert guess(client, "form", OPERATOR) == 200
    assert client.get("/healthz", headers={"X-API-Key": "nobody"}).status_code == 200


def test_who_guesses_is_not_told_when_he_is_right(client: Client) -> None:
    """Else the limit would be none: the right key would be the one whose answer is no 429."""
    for number in range(GUESSES):
        guess(client, "header", f"not-a-key-of-anybody-{number}")

    assert guess(client, "header", ADMIN) == 429
    assert guess(client, "form", ADMIN) == 429


def test_a_good_key_counts_for_nothing_and_neither_does_a_session_that_is_over(client: Client) -> None:
    for _ in range(ATTEMPTS * 2):
        assert guess(client, "header", VIEWER) == 200
        assert client.get("/api/jobs", headers={"Cookie": f"{COOKIE}=over"}).status_code == 401

    assert guess(client, "header", "not-a-key-of-anybody") == 401


def test_a_rejected_key_is_not_repeated(client: Client) -> None:
    key = "k" * 201
    answer = client.post("/api/session", json={"api_key": key})

    assert answer.status_code == 422
    assert "kkk" not in answer.text


def test_with_keys_off_everybody_is_an_admin_and_nobody_signs_in(open_client: Client) -> None:
    answer = open_client.get("/api/session")

    assert answer.json() == {"name": None, "role": "admin", "sign_in": False, "expires_at": None}
    assert open_client.post("/api/session", json={"api_key": VIEWER}).status_code == 409
    assert open_client.get("/api/jobs", headers={"X-API-Key": "anything"}).status_code == 200


def test_another_site_may_not_sign_anybody_in(client: Client) -> None:
    answer = client.post("/api/session", json={"api_key": VIEWER}, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403


def test_attempts_are_counted_by_address_and_forgotten_in_time() -> None:
    now = 0.0
    attempts = Attempts(clock=lambda: now)
    for _ in range(ATTEMPTS):
        attempts.count("2001:db8::1")
    with pytest.raises(TooManyAttempts):
        attempts.count("2001:db8::ffff")  # the same customer's network
    attempts.count("2001:db8:0:1::1")
    attempts.count("192.0.2.1")

    now = ATTEMPTS_WITHIN
    attempts.count("2001:db8::1")


def test_no_flood_of_addresses_fills_the_memory() -> None:
    attempts = Attempts()
    for number in range(ADDRESSES_KEPT + 50):
        attempts.count(f"host-{number}")

    assert len(attempts._times) == ADDRESSES_KEPT  # pyright: ignore[reportPrivateUsage]  # it tells nobody else


async def test_a_session_ends_when_its_time_is_up(database: Database) -> None:
    now = datetime(2026, 3, 4, tzinfo=UTC)
    sign_ins = SignIns(parse_keys(KEYS.split()), SessionStore(database), lifetime=timedelta(hours=1), clock=lambda: now)
    session = await sign_ins.sign_in(VIEWER, address="192.0.2.1")
    assert await sign_ins.caller_of_token(session.token) == session.caller

    now += timedelta(hours=1)
    assert await sign_ins.caller_of_token(session.token) is None
    await sign_ins.until_over(session.token)


async def test_a_session_outlives_a_restart_and_ends_with_its_key(database: Database) -> None:
    store, day = SessionStore(database), timedelta(days=1)
    session = await SignIns(parse_keys(KEYS.split()), store, lifetime=day).sign_in(VIEWER, address="here")

    promoted = SignIns(parse_keys([f"vera:operator:{VIEWER}"]), store, lifetime=day)
    caller = await promoted.caller_of_token(session.token)
    assert caller is not None
    assert caller.role == "operator"
    renewed = SignIns(parse_keys([f"vera:viewer:{VIEWER}-new"]), store, lifetime=day)
    assert await renewed.caller_of_token(session.token) is None


async def test_nothing_in_the_database_signs_anybody_in(database: Database) -> None:
    keys = parse_keys(KEYS.split())
    sign_ins = SignIns(keys, SessionStore(database), lifetime=timedelta(days=1))
    session = await sign_ins.sign_in(VIEWER, address="here")
    async with database.reading() as connection:
        stored = str((await connection.exec_driver_sql("SELECT * FROM sessions")).fetchall())

    assert session.token not in stored
    assert VIEWER not in stored
    assert keys[0].digest.hex() not in stored
