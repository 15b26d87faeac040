"""What Prefect's processes are told is understood by the Prefect that is installed: a renamed setting is no error."""

from pathlib import Path

import pytest
from prefect.settings import Settings

from prefect_jobs import prefect_environment


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
