"""What leaves a run, and when, with a clock made of numbers."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from prefect_jobs.kit.outbox import LABEL_INTERVAL, PATIENCE_AWAY, PATIENCE_SLOW, Outbox
from prefect_jobs.kit.wire import MESSAGE_LIMIT, LabelsNotStored, LabelsRefused, Progress, ServerAway
from prefect_jobs.report_names import PROGRESS_LABEL, RESULT_LABEL

AT = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)


class FakeSink:
    """Remembers what it gets; raises the given errors first."""

    def __init__(self, *errors: LabelsNotStored) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.labels: dict[str, str] = {}
        self.writes = 0
        self.errors = list(errors)

    def announce(self, payload: Mapping[str, Any]) -> None:
        self.events.append(payload)

    def store(self, labels: Mapping[str, str]) -> None:
        self.writes += 1
        if self.errors:
            raise self.errors.pop(0)
        self.labels |= labels


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def outbox(sink: FakeSink, **labels: str) -> Outbox:
    return Outbox(sink, attempt=2, labels=labels, now=lambda: AT)


def test_an_event_says_percent_message_attempt_and_time() -> None:
    box = outbox(sink := FakeSink())
    box.latest = Progress(40, "Processing event 400/1000")
    box.send_due(0.0)
    payload = {
        "percent": 40,
        "message": "Processing event 400/1000",
        "attempt": 2,
        "at": "2026-03-04T08:15:00.000000+00:00",
    }
    assert sink.events == [payload]
    assert json.loads(sink.labels[PROGRESS_LABEL]) == payload


def test_the_first_value_leaves_at_once_and_later_ones_ten_times_a_second() -> None:
    box = outbox(sink := FakeSink())
    for millisecond in range(1000):
        box.latest = Progress(millisecond // 10, None)
        box.send_due(millisecond / 1000)
    assert [event["percent"] for event in sink.events] == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]


def test_labels_are_written_every_two_seconds_at_most() -> None:
    box = outbox(sink := FakeSink())
    for tenth in range(100):
        box.latest = Progress(tenth, None)
        box.send_due(tenth / 10)
    assert sink.writes == 5


def test_a_value_that_came_too_early_leaves_when_its_time_has_come() -> None:
    box = outbox(sink := FakeSink())
    box.latest = Progress(1, None)
    box.send_due(0.0)
    box.latest = Progress(2, None)
    assert box.send_due(0.04) == pytest.approx(0.06)
    assert box.send_due(0.1) == pytest.approx(LABEL_INTERVAL - 0.1)
    assert box.send_due(LABEL_INTERVAL) is None
    assert [event["percent"] for event in sink.events] == [1, 2]
    assert json.loads(sink.labels[PROGRESS_LABEL])["percent"] == 2


def test_nothing_new_is_nothing_to_send() -> None:
    box = outbox(sink := FakeSink())
    assert box.send_due(0.0) is None
    box.latest = Progress(5, "five")
    box.send_due(1.0)
    box.latest = Progress(5, "five")
    assert box.send_due(9.0) is None
    assert (len(sink.events), sink.writes) == (1, 1)


def test_the_last_value_and_the_result_leave_at_the_end_whatever_the_pace() -> None:
    time, box = Time(), outbox(sink := FakeSink(), kit="1")
    box.latest = Progress(1, None)
    box.send_due(0.0)
    box.latest = Progress(99, "last")
    box.send_rest({RESULT_LABEL: "{}"}, clock=time.clock, sleep=time.sleep)
    assert sink.events[-1]["percent"] == 99
    assert sink.labels[RESULT_LABEL] == "{}"
    assert sink.labels["kit"] == "1"
    assert json.loads(sink.labels[PROGRESS_LABEL])["message"] == "last"
    assert (sink.writes, time.now) == (2, 0.0)


def test_the_end_without_news_writes_nothing() -> None:
    time, box = Time(), outbox(sink := FakeSink())
    box.send_rest({}, clock=time.clock, sleep=time.sleep)
    assert (sink.events, sink.writes) == ([], 0)


def test_labels_that_failed_are_tried_again_at_the_next_turn() -> None:
    box = outbox(sink := FakeSink(LabelsNotStored("503")), kit="1")
    assert box.send_due(0.0) == LABEL_INTERVAL
    assert sink.labels == {}
    assert box.send_due(LABEL_INTERVAL) is None
    assert sink.labels == {"kit": "1"}


def test_labels_that_are_refused_are_not_tried_again() -> None:
    box = outbox(sink := FakeSink(LabelsRefused("404")), kit="1")
    assert box.send_due(0.0) is None
    assert sink.writes == 1


@pytest.mark.parametrize(
    ("error", "patience"), [(ServerAway("refused"), PATIENCE_AWAY), (LabelsNotStored("503"), PATIENCE_SLOW)]
)
def test_the_end_waits_a_bounded_time_for_the_server(error: LabelsNotStored, patience: float) -> None:
    time, box = Time(), outbox(FakeSink(*[error] * 1000))
    with pytest.raises(type(error)):
        box.send_rest({RESULT_LABEL: "{}"}, clock=time.clock, sleep=time.sleep)
    assert patience - 0.5 <= time.now <= patience


def test_the_end_outlasts_a_short_absence_of_the_server() -> None:
    time, box = Time(), outbox(sink := FakeSink(ServerAway("a"), LabelsNotStored("b"), ServerAway("c")))
    box.send_rest({RESULT_LABEL: "{}"}, clock=time.clock, sleep=time.sleep)
    assert sink.labels == {RESULT_LABEL: "{}"}


def test_the_end_does_not_insist_when_labels_are_refused() -> None:
    time, box = Time(), outbox(FakeSink(LabelsRefused("404")))
    with pytest.raises(LabelsRefused):
        box.send_rest({RESULT_LABEL: "{}"}, clock=time.clock, sleep=time.sleep)
    assert time.now == 0.0


def test_hostile_messages_arrive_cut_and_without_what_databases_refuse() -> None:
    box = outbox(sink := FakeSink())
    box.latest = Progress(1, "a\x00b\ud800 \u202e=1+1 " + "x" * 5000)
    box.send_due(0.0)
    message = sink.events[0]["message"]
    assert message.startswith("a\ufffdb\ufffd \u202e=1+1 xxx")
    assert len(message) == MESSAGE_LIMIT
