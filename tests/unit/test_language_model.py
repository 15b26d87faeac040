"""A language model behind a real HTTP server: asked in the right words, with patience, at its pace, its key kept."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from prefect_jobs.events.engine.language_model import (
    LanguageModel,
    ModelAddress,
    ModelRefuses,
    NoGoodAnswer,
    Tries,
    pausing,
)
from prefect_jobs.events.engine.model_double import Fault, model_double

KEY = "sk-a-secret-that-nobody-may-read"
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
QUICK = Tries(most=3, first_pause=0.0, longest_pause=0.0)


def no_pause(_: float) -> None:
    """Do not wait."""


def model(
    url: str, *, pause: Callable[[float], None] = no_pause, tries: Tries = QUICK, **options: Any
) -> LanguageModel:
    address = ModelAddress(url, "tiny", KEY, **({"timeout": 5.0, "per_minute": 60_000} | options))
    return LanguageModel(address, pause=pause, tries=tries)


def test_a_question_names_model_task_data_and_schema_and_carries_the_key() -> None:
    with model_double(lambda data: {"n": data["number"] + 1}) as double:
        asked = model(double.url)
        answer = asked.ask("Add one.", {"number": 41}, SCHEMA)
        asked.close()
    assert (answer.data, answer.prompt_tokens, answer.completion_tokens) == ({"n": 42}, 100, 10)
    [question] = double.questions
    assert question["model"] == "tiny"
    assert [message["role"] for message in question["messages"]] == ["system", "user"]
    assert json.loads(question["messages"][1]["content"]) == {"number": 41}
    assert question["response_format"]["json_schema"]["schema"] == SCHEMA
    assert double.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(429),
        Fault(503, "busy"),
        Fault(200, "<html>"),
        Fault(200, '{"choices": []}'),
        Fault(200, '{"choices": [{"message": {"content": "no JSON"}}]}'),
        Fault(200, '{"choices": [{"message": {"content": "{\\"n\\": \\"text\\"}"}}]}'),
        Fault(200, "x" * (1 << 20) + "xx"),
        Fault(delay=0.5, body="late"),
    ],
)
def test_a_bad_answer_is_asked_for_again(fault: Fault) -> None:
    with model_double(lambda _: {"n": 1}, [fault]) as double:
        asked = model(double.url, timeout=0.2)
        assert asked.ask("", {}, SCHEMA).data == {"n": 1}
        asked.close()
    assert len(double.questions) == 2


def test_after_several_tries_there_is_no_good_answer_and_its_tokens_are_known() -> None:
    with model_double(lambda _: {"n": "no number"}) as double:
        asked = model(double.url)
        with pytest.raises(NoGoodAnswer, match=r"does not fit the schema \(\$\.n\) \(3 tries\)") as caught:
            asked.ask("", {}, SCHEMA)
        asked.close()
    assert (caught.value.prompt_tokens, caught.value.completion_tokens) == (300, 30)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404])
def test_a_refusal_is_not_asked_again(status: int) -> None:
    fault = Fault(status, "no", {"Location": "http://127.0.0.1:9/elsewhere"})
    with model_double(lambda _: {"n": 1}, [fault]) as double:
        asked = model(double.url)
        with pytest.raises(ModelRefuses, match=f"it answered {status}"):
            asked.ask("", {}, SCHEMA)
        asked.close()
    assert len(double.questions) == 1


def test_nobody_at_the_address_is_no_good_answer() -> None:
    with model_double(lambda _: {}) as double:
        pass
    asked = model(double.url)
    with pytest.raises(NoGoodAnswer, match="cannot be reached"):
        asked.ask("", {}, SCHEMA)
    asked.close()


@pytest.mark.parametrize("url", ["no address", "ftp://127.0.0.1/v1", "http://127.0.0.1:port/v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ModelRefuses, match="its address is none"):
        model(url).ask("", {}, SCHEMA)


def test_pauses_grow_and_follow_what_the_server_asks_for() -> None:
    pauses: list[float] = []
    faults = [Fault(500), Fault(500), Fault(429, headers={"Retry-After": "30"})]
    tries = Tries(most=4, first_pause=1.0, longest_pause=20.0)
    with model_double(lambda _: {"n": 1}, faults) as double:
        asked = model(double.url, pause=pauses.append, tries=tries, per_minute=1e9)
        asked.ask("", {}, SCHEMA)
        asked.close()
    first, second, third = (pause for pause in pauses if pause > 0.01)
    assert 0.75 <= first <= 1.25
    assert 1.5 <= second <= 2.5
    assert third == 20.0


def test_questions_keep_their_pace() -> None:
    pauses: list[float] = []
    with model_double(lambda _: {"n": 1}) as double:
        asked = model(double.url, pause=pauses.append, per_minute=60)
        for _ in range(3):
            asked.ask("", {}, SCHEMA)
        asked.close()
    assert len(pauses) == 2
    assert 0.5 < pauses[0] <= 1.0
    assert 1.5 < pauses[1] <= 2.0


def test_a_pause_ends_as_soon_as_the_job_is_to_stop() -> None:
    looks: list[float] = []

    def stop_at_third() -> None:
        looks.append(time.monotonic())
        if len(looks) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pausing(stop_at_third, slice_seconds=0.01)(3600)


def test_the_key_is_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with model_double(lambda _: {"n": "x"}, [Fault(500)]) as double:
        asked = model(double.url)
        with pytest.raises(NoGoodAnswer) as caught:
            asked.ask("", {}, SCHEMA)
        asked.close()
    shown = (
        caplog.text + repr(asked.address) + repr(caught.value) + str(vars(caught.value)) + repr(caught.value.__cause__)
    )
    assert "127.0.0.1" in caplog.text
    assert KEY not in shown
