"""What `up` hands on to each of its processes."""

from pathlib import Path

import pytest

from prefect_jobs.cli.up_processes import stages_of
from prefect_jobs.settings import Settings
from prefect_jobs.supervisor import ChildSpec

KEY = "administrators-key-0000"
OPENS = ("PREFECT_JOBS_API_KEYS", "PREFECT_JOBS_API_KEYS_FILE", "PREFECT_JOBS_ADAPTER_KEY")


def children(settings: Settings, *, prefect: str | None = None, own_key: str | None = None) -> dict[str, ChildSpec]:
    stages = stages_of(settings, prefect, 4200, own_key=own_key)
    return {spec.name: spec for stage in stages for spec in stage}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PREFECT_JOBS_API_KEYS", f"ada:admin:{KEY}")
    return Settings(data_dir=tmp_path)


def test_keys_go_to_the_api_and_to_nobody_else(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_JOBS_API_KEYS_FILE", "/keys")
    monkeypatch.setenv("PREFECT_JOBS_MODEL_KEY", "secret")
    found = children(settings.model_copy(), own_key="own-key-of-this-start")

    serve = found["serve"].environment
    assert serve["PREFECT_JOBS_API_KEYS_FILE"] == "/keys"
    given = (serve["PREFECT_JOBS_API_KEYS"] or "").split()
    assert [entry.rpartition(":")[0] for entry in given] == [
        "ada:admin",
        "prefect-jobs-sidecars:viewer",
        "prefect-jobs-up:operator",
    ]
    for name in ("prefect", "work"):
        assert {found[name].environment.get(variable) for variable in OPENS} == {None}, name
        assert KEY not in str(found[name].environment)
    assert found["prefect"].environment["PREFECT_JOBS_MODEL_KEY"] is None


def test_with_keys_the_server_asks_for_a_secret_that_its_clients_have(settings: Settings, tmp_path: Path) -> None:
    found = children(settings)

    secret = (tmp_path / "prefect-auth").read_text().strip()
    assert found["prefect"].environment["PREFECT_SERVER_API_AUTH_STRING"] == secret
    for name in ("serve", "work"):
        assert found[name].environment["PREFECT_API_AUTH_STRING"] == secret
        assert found[name].environment["PREFECT_SERVER_API_AUTH_STRING"] is None
    again = children(settings)
    assert again["prefect"].environment == found["prefect"].environment


def test_what_the_user_has_set_for_the_server_holds(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:own")
    found = children(settings)

    assert found["prefect"].environment["PREFECT_SERVER_API_AUTH_STRING"] == "admin:own"
    assert found["work"].environment["PREFECT_API_AUTH_STRING"] == "admin:own"
    assert not (tmp_path / "prefect-auth").exists()


def test_without_keys_nothing_asks_for_anything(tmp_path: Path) -> None:
    found = children(Settings(data_dir=tmp_path))

    assert "PREFECT_API_AUTH_STRING" not in found["work"].environment
    assert found["prefect"].environment["PREFECT_SERVER_API_AUTH_STRING"] is None
    assert found["prefect"].environment["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == (
        "http://127.0.0.1:4200,http://localhost:4200"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_there_keeps_its_own_secrets(settings: Settings, tmp_path: Path) -> None:
    found = children(settings, prefect="http://prefect.example/api")

    assert "prefect" not in found
    assert "PREFECT_API_AUTH_STRING" not in found["work"].environment
    assert not (tmp_path / "prefect-auth").exists()
