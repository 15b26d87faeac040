"""The memory between a job and its sidecar."""

import pytest

from prefect_jobs.sidecar.page import NOT_OURS, SIZE, STOP, Page, StopRequest


def test_a_request_is_there_once_the_flag_is_raised() -> None:
    page = Page(bytearray(SIZE))
    assert (page.flag, page.request(), page.settled) == (0, None, False)
    page.raise_flag(StopRequest("Cancelled by alice", 1.5, 2.5))
    request = page.request()
    assert request is not None
    assert (page.flag, request.message, request.asked, request.delivered) == (STOP, "Cancelled by alice", 1.5, 2.5)


@pytest.mark.parametrize("message", ["x" * 100_000, "\U0001f600" * 1_000, '"\\\n' * 500])
def test_a_message_that_is_too_long_never_harms_the_request(message: str) -> None:
    page = Page(bytearray(SIZE))
    page.raise_flag(StopRequest(message, 1.0, 2.0), NOT_OURS)
    request = page.request()
    assert request is not None
    assert message.startswith(request.message)
    assert (len(page.memory), page.flag, request.asked) == (SIZE, NOT_OURS, 1.0)


def test_settling_is_a_byte_of_its_own() -> None:
    page = Page(bytearray(SIZE))
    page.settle()
    assert page.settled
    assert page.flag == 0
