"""What the log socket answers to a client's frames (contract 9.2)."""

from typing import Any

import pytest

from prefect_jobs.api.open_sockets import answer_to


@pytest.mark.parametrize("frame", ["ping", '{"type":"ping"}', '{"type":"PING","extra":1}'])
def test_a_ping_is_answered_with_a_pong(frame: str) -> None:
    assert answer_to(frame) == {"type": "pong"}


@pytest.mark.parametrize("frame", ['{"type":"pong"}', '{"type":"subscribe","to":"x"}', '{"type":"unsubscribe"}'])
def test_pongs_and_subscriptions_are_taken_without_an_answer(frame: str) -> None:
    assert answer_to(frame) is None


def test_text_that_is_not_json_is_shown_back_in_part() -> None:
    answer: Any = answer_to("x" * 500)
    assert answer["error"] == "invalid_json"
    assert answer["message"] == "Message must be valid JSON"
    assert answer["details"] == {"raw_data_preview": "x" * 100}


@pytest.mark.parametrize("frame", ["{}", "[]", "1", "null", '{"type":""}', '{"type":1}', '{"type":"' + "x" * 51 + '"}'])
def test_json_without_a_usable_type_is_an_invalid_message(frame: str) -> None:
    answer: Any = answer_to(frame)
    assert answer["error"] == "invalid_message_format"
    assert answer["details"]["validation_errors"]


def test_an_unknown_type_is_named_with_those_that_are_known() -> None:
    answer: Any = answer_to('{"type":"' + "x" * 50 + '"}')
    assert answer["error"] == "unknown_message_type"
    assert "x" * 50 in answer["message"]
    assert answer["details"] == {"supported_types": ["ping", "pong", "subscribe", "unsubscribe"]}
