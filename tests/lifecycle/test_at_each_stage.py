"""Prefect goes away at each question that a sidecar asks it in a stop: that question is lost, or only its answer.

In between nothing may be killed on a guess; afterwards the end is the right one, told once, with one receipt.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.lifecycle.cut import CutLine
from tests.lifecycle.jobs import Jobs, Subject

AT_ONCE = 4

Action = Callable[[Subject], object]


@dataclass(frozen=True)
class Stop:
    """What is done to which job, what must come of it, and which of its sidecar's questions meanwhile are lost.

    They are counted from the action on, or from the question that has `since` in it.
    """

    subject: str
    action: Action
    state: str
    how: str
    questions: Sequence[int]
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    since: bytes = b""


STOPS = {
    "a cancel of a job that stops": Stop(
        "stepping", lambda job: job.act("cancel"), "cancelled", "stopped", range(1, 3)
    ),
    "a cancel of a job that completes": Stop(
        "heedless", lambda job: job.act("cancel"), "completed", "finished", range(1, 7), {"seconds": 3.0}
    ),
    "an abort": Stop("sleeping", lambda job: job.act("abort"), "aborted", "killed", range(1, 8)),
    # The way of an abort, but for the state that is written and looked at afterwards. Nobody acts, and the limit does
    # not wait until the test looks.
    "a time limit": Stop("holding_on", lambda job: None, "timed_out", "killed", (1, 2), since=b'"TimedOut"'),
    "a death": Stop("sleeping", lambda job: job.process.send_signal(signal.SIGKILL), "crashed", "ended", range(1, 5)),
}


def _cases() -> Iterator[tuple[str, int, bool]]:
    for name, stop in STOPS.items():
        for question in stop.questions:
            yield from ((name, question, False), (name, question, True))


CASES = {
    f"{name}, {'the answer to ' if answer_only else ''}question {question} lost": (name, question, answer_only)
    for name, question, answer_only in _cases()
}


@dataclass
class Outcome:
    """A job after its end."""

    state: str
    run_count: int
    receipts: list[str]
    was_cut: bool


def play(jobs: Jobs, stop: Stop, question: int, answer_only: bool) -> Outcome:
    port = urlsplit(jobs.stack.environment["PREFECT_API_URL"]).port
    assert port is not None
    with closing(CutLine(port, question, answer_only=answer_only, since=stop.since)) as line:
        subject = jobs.start(stop.subject, "script", prefect_api_url=line.url, **stop.parameters).wait_ready()
        line.arm()
        stop.action(subject)
        job = subject.wait_end(60.0)
        subject.wait_gone()
        return Outcome(job["state"], subject.run_count, [one["how"] for one in subject.receipts], line.was_cut)


@pytest.fixture(scope="module")
def outcomes(jobs: Jobs) -> dict[str, "Future[Outcome]"]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {
            case: pool.submit(play, jobs, STOPS[name], question, answer_only)
            for case, (name, question, answer_only) in CASES.items()
        }


@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", CASES)
def test_a_stop_survives_that(case: str, outcomes: dict[str, "Future[Outcome]"]) -> None:
    stop = STOPS[CASES[case][0]]
    assert outcomes[case].result() == Outcome(stop.state, 1, [stop.how], was_cut=True)
