"""What Prefect's processes are told is understood by the Prefect that is installed: a renamed setting is no error."""

import os
from pathlib import Path

import pytest
from prefect.settings import Settings

from prefect_jobs import prefect_environment
from prefect_jobs.kit import prefect_door


def test_a_worker_looks_twice_a_second_and_ships_logs_five_times(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in prefect_environment.WORKER.items():
        monkeypatch.setenv(name, value)
    told = Settings()
    assert (told.worker.query_seconds, told.worker.heartbeat_seconds) == (0.5, 10)
    assert told.logging.to_api.batch_interval == 0.2
    assert not told.server.analytics_enabled


def test_the_embedded_server_streams_logs_and_keeps_who_holds_a_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in prefect_environment.embedded_server(tmp_path).items():
        monkeypatch.setenv(name, value)
    told = Settings()
    assert told.home == tmp_path / "prefect"
    assert told.server.logs.stream_out_enabled
    assert told.server.logs.stream_publishing_enabled
    assert told.server.concurrency.lease_storage.endswith("lease_storage.filesystem")
    assert told.server.deployments.concurrency_slot_wait_seconds == 5


def test_a_sidecars_key_comes_by_a_file_and_leaves_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A flow without the kit, and all that it starts, had the key in its environment."""
    monkeypatch.setattr(prefect_door, "_adapter_key", None)
    (tmp_path / "key").write_text("viewers-key-of-sidecars\n")
    monkeypatch.setenv(prefect_environment.ADAPTER_URL, "http://127.0.0.1:8000")
    monkeypatch.setenv(prefect_environment.SIDECAR_KEY_FILE, str(tmp_path / "key"))

    for _ in range(2):  # a second attempt in the same process knows it still
        door = prefect_door.prefect_door("http://127.0.0.1:4200/api")
        assert door.adapter_headers == {"X-API-Key": "viewers-key-of-sidecars"}
        assert prefect_environment.SIDECAR_KEY_FILE not in os.environ


def test_without_its_file_a_sidecar_asks_prefect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(prefect_door, "_adapter_key", None)
    monkeypatch.setenv(prefect_environment.SIDECAR_KEY_FILE, str(tmp_path / "none"))

    assert prefect_door.prefect_door("http://127.0.0.1:4200/api").adapter_headers == {}
