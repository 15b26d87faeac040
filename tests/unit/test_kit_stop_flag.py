"""Checkpoints: where a job stops, and where it does not notice them."""

import contextvars
import threading
from collections.abc import Generator

import pytest

from prefect_jobs import JobStopped, checkpoint
from prefect_jobs.kit.stop_flag import StopFlag, current_stop_flag


@pytest.fixture
def asked() -> Generator[bytearray]:
    """The byte of a running job, not set yet."""
    memory = bytearray(1)
    token = current_stop_flag.set(StopFlag(memory))
    yield memory
    current_stop_flag.reset(token)


def test_outside_of_a_job_a_checkpoint_does_nothing() -> None:
    checkpoint()


def test_a_checkpoint_stops_the_job_once_somebody_asked(asked: bytearray) -> None:
    checkpoint()
    asked[0] = 1
    with pytest.raises(JobStopped):
        checkpoint()


def test_a_body_that_survives_every_error_stops_all_the_same(asked: bytearray) -> None:
    asked[0] = 1

    def stubborn() -> None:
        while True:
            try:
                checkpoint()
            except Exception:  # noqa: BLE001  the habit under test
                continue

    with pytest.raises(JobStopped):
        stubborn()


def test_a_thread_started_with_a_copy_of_the_context_stops_too(asked: bytearray) -> None:
    asked[0] = 1
    seen: list[type[BaseException]] = []

    def work() -> None:
        try:
            checkpoint()
        except JobStopped as stopped:
            seen.append(type(stopped))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,))
    thread.start()
    thread.join()
    assert seen == [JobStopped]
