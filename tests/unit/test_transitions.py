"""A job's transitions and attempts, drawn from Prefect's states."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from prefect_jobs.attempts import attempts_of, previous_errors
from prefect_jobs.gateway import RunState
from prefect_jobs.transitions import Action, Origin, events_of, transitions_of

START = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
FRAME = "Flow run encountered an exception: "


def states(*kinds: str | tuple[str, str] | tuple[str, str, str]) -> list[RunState]:
    """States a second apart: a type, or a type and a name, or with a message too."""
    found: list[RunState] = []
    for number, kind in enumerate(kinds):
        name, message = "", None
        if isinstance(kind, tuple):
            kind, name, message = kind if len(kind) == 3 else (*kind, None)
        at = START + timedelta(seconds=number)
        found.append(RunState(f"s{number}", kind, name or kind.title(), at, message, at))
    return found


def steps(past: list[RunState], origin: Origin | None = None) -> list[tuple[str | None, str, str]]:
    return [(t.before, t.state, t.trigger) for t in transitions_of(past, [], origin or Origin())]


def kinds(*past: str | tuple[str, str] | tuple[str, str, str]) -> list[str]:
    return [event.kind for event in events_of(states(*past), [], Origin())]


def test_a_state_that_changes_no_status_is_no_transition() -> None:
    past = states("SCHEDULED", "PENDING", ("PENDING", "Submitting"), "RUNNING", "RUNNING", "COMPLETED")
    assert steps(past) == [
        (None, "pending", "user"),
        ("pending", "running", "worker"),
        ("running", "completed", "worker"),
    ]


def test_each_transition_is_that_of_one_state() -> None:
    past = states("SCHEDULED", ("SCHEDULED", "Late"), "PENDING", "RUNNING", ("CANCELLING", "Cancelling"), "CANCELLED")
    told = transitions_of(past, [], Origin())
    assert [transition.state_id for transition in told] == ["s0", "s3", "s5"]
    assert [transition.to for transition in told] == ["pending", "running", "failed"]
    events = events_of(past, [], Origin())
    assert [(event.state_id, event.kind) for event in events] == [
        ("s1", "late"),
        ("s2", "submitted"),
        ("s4", "stop_asked"),
    ]


@pytest.mark.parametrize(
    ("origin", "trigger"),
    [(Origin(through_api=True, by="alice"), "api"), (Origin(by_schedule=True), "system"), (Origin(), "user")],
)
def test_a_creation_tells_who_made_the_job(origin: Origin, trigger: str) -> None:
    [made] = transitions_of(states("SCHEDULED"), [], origin)
    assert (made.before, made.trigger, made.by) == (None, trigger, origin.by)


@pytest.mark.parametrize(
    ("last", "trigger"),
    [
        (("FAILED", "TimedOut"), "timeout"),
        (("FAILED", "Failed"), "worker"),
        (("CRASHED", "Crashed"), "system"),
        (("CANCELLED", "Aborted"), "user"),
        (("CANCELLED", "Cancelled", "The parent flow run was cancelled."), "system"),
        (("CANCELLED", "Cancelled", "Flow run cancellation timed out; marked as Cancelled."), "system"),
        (("SCHEDULED", "AwaitingRetry"), "retry"),
        (("SCHEDULED", "Late"), "system"),
        (("SCHEDULED", "Resuming"), "user"),
    ],
)
def test_every_kind_of_state_has_its_trigger(last: tuple[str, str], trigger: str) -> None:
    assert transitions_of(states("RUNNING", last), [], Origin())[-1].trigger == trigger


def test_who_asked_is_told_with_the_wish_and_with_its_fulfilment() -> None:
    past = states("RUNNING", ("CANCELLING", "Cancelling"), "CANCELLED")
    asked = Action("cancel", "alice", START, "s1")
    assert [transition.by for transition in transitions_of(past, [asked], Origin())] == [None, "alice"]
    assert [(event.kind, event.by) for event in events_of(past, [asked], Origin())] == [("stop_asked", "alice")]


def test_an_error_is_told_without_prefects_words_and_not_twice() -> None:
    [failed] = transitions_of(states(("FAILED", "Failed", f"{FRAME}ValueError: x")), [], Origin())
    assert (failed.error, failed.message) == ("ValueError: x", None)


def test_a_run_due_a_moment_after_its_first_state_was_pending_from_the_start() -> None:
    """Clients set the time a run is due and its first state by clocks of their own."""
    soon = RunState("s", "SCHEDULED", "Scheduled", START, None, START + timedelta(milliseconds=500))
    later = RunState("s", "SCHEDULED", "Scheduled", START, None, START + timedelta(minutes=5))
    assert transitions_of([soon], [], Origin())[0].state == "pending"
    assert transitions_of([later], [], Origin())[0].state == "scheduled"


def test_attempts_are_counted_from_one_with_their_ends_errors_and_workers() -> None:
    past = states(
        "SCHEDULED",
        "PENDING",
        "RUNNING",
        ("FAILED", "Failed", f"{FRAME}OSError: away"),
        ("SCHEDULED", "AwaitingRetry", "Queued again through the jobs API"),
        "PENDING",
        "RUNNING",
        "COMPLETED",
    )
    first, second = attempts_of(past, {"s2": "worker-1", "s6": "worker-2"}, result={"files": 3})
    assert (first.number, first.status, first.error, first.worker) == (1, "failed", "OSError: away", "worker-1")
    assert (second.number, second.status, second.error, second.worker) == (2, "succeeded", None, "worker-2")
    assert (first.duration_seconds, first.result, second.result) == (1.0, None, {"files": 3})
    assert previous_errors(past) == ["OSError: away"]


def test_a_flow_that_tries_again_by_itself_ends_an_attempt_with_its_error() -> None:
    past = states("RUNNING", ("SCHEDULED", "AwaitingRetry", f"{FRAME}OSError: away"), ("RUNNING", "Retrying"))
    first, second = attempts_of(past, {})
    assert (first.status, first.error) == ("failed", "OSError: away")
    assert (second.status, second.ended_at, second.duration_seconds) == ("started", None, None)
    assert previous_errors(past) == ["OSError: away"]


def test_a_pause_lies_within_one_attempt() -> None:
    past = states("RUNNING", ("PAUSED", "Suspended"), ("SCHEDULED", "Resuming"), "PENDING", "RUNNING", "COMPLETED")
    [attempt] = attempts_of(past, {})
    assert (attempt.status, attempt.duration_seconds) == ("succeeded", 5.0)


def test_the_last_of_two_terminal_states_has_the_last_word_on_the_attempt() -> None:
    [attempt] = attempts_of(states("RUNNING", ("FAILED", "Failed", "no"), "COMPLETED"), {})
    assert (attempt.number, attempt.status, attempt.error) == (1, "succeeded", None)


def test_a_job_that_never_began_has_no_attempt_and_a_cancellation_is_no_previous_error() -> None:
    past = states("SCHEDULED", "CANCELLED", "SCHEDULED")
    assert attempts_of(past, {}) == []
    assert previous_errors(past) == []


RECEIPT = "Receipt: asked 2026-03-04T08:15:00.120Z, delivered after 0.30 s, killed after 0.36 s: 4711 python."


def test_a_stop_that_is_proven_afterwards_is_one_transition_with_its_receipt() -> None:
    """Its end is written before the kill, and again with the proof."""
    past = states("RUNNING", ("CANCELLING", "Aborting"), ("CANCELLED", "Aborted", "by bob"))
    past += [replace(past[-1], id="s9", message=f"by bob. {RECEIPT}")]
    told = transitions_of(past, [Action("abort", "bob", START, "s1")], Origin())
    assert [transition.state for transition in told] == ["running", "aborted"]
    end = told[-1]
    assert (end.state_id, end.by, end.trigger, end.message) == ("s2", "bob", "user", f"by bob. {RECEIPT}")
    assert end.receipt is not None
    assert (end.receipt.how, end.receipt.processes) == ("killed", ((4711, "python"),))


def test_a_renewed_wish_to_stop_is_told_once() -> None:
    past = states("RUNNING", *[("CANCELLING", "Stopping")] * 3, ("CANCELLED", "Cancelled"))
    actions = [Action("cancel", "alice", START, "s1")]
    assert [(transition.state, transition.by) for transition in transitions_of(past, actions, Origin())[1:]] == [
        ("cancelled", "alice")
    ]
    [asked] = events_of(past, actions, Origin())
    assert (asked.kind, asked.by, asked.at, asked.details["state"]) == (
        "stop_asked",
        "alice",
        past[1].timestamp,
        "stopping",
    )


def test_an_error_is_told_without_the_receipt_behind_it() -> None:
    past = states("RUNNING", ("CRASHED", "Crashed", f"The job's process died. {RECEIPT}"))
    [_, end] = transitions_of(past, [], Origin())
    assert (end.error, end.message) == ("The job's process died", f"The job's process died. {RECEIPT}")


@pytest.mark.parametrize(
    ("past", "told"),
    [
        (("SCHEDULED", "PENDING", ("PENDING", "Submitting"), "RUNNING"), ["submitted"]),
        (("SCHEDULED", ("SCHEDULED", "Late")), ["late"]),
        (("SCHEDULED", "PENDING", "SCHEDULED", "PENDING"), ["submitted", "handed_back", "submitted"]),
        (("SCHEDULED", ("SCHEDULED", "AwaitingConcurrencySlot")), ["waiting"]),
        (("RUNNING", ("PAUSED", "Paused"), "RUNNING"), ["paused", "resumed"]),
        (("RUNNING", ("PAUSED", "Suspended"), ("SCHEDULED", "Resuming")), ["paused", "resumed"]),
        (("RUNNING", ("CANCELLING", "Stopping"), ("CANCELLING", "Aborting")), ["stop_asked", "stop_asked"]),
        (("RUNNING", ("CANCELLING", "Stopping"), "RUNNING"), ["stop_asked", "noted"]),
        (("RUNNING", ("RUNNING", "Warming up")), ["noted"]),
        (("RUNNING", "FAILED", ("SCHEDULED", "AwaitingRetry"), "RUNNING"), []),
        (("RUNNING", ("FAILED", "Failed"), ("CRASHED", "Crashed")), ["noted"]),
    ],
)
def test_what_else_happened_is_an_event(past: tuple[str | tuple[str, str], ...], told: list[str]) -> None:
    assert kinds(*past) == told


def test_a_job_that_was_given_another_time_says_so() -> None:
    past = states("SCHEDULED", "SCHEDULED")
    past[1] = replace(past[1], scheduled_for=START + timedelta(hours=1))
    assert [event.kind for event in events_of(past, [], Origin())] == ["rescheduled"]
    assert len(transitions_of(past, [], Origin())) == 1


WORDS = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED"]
NAMES = {
    "SCHEDULED": ["Late", "AwaitingRetry", "Resuming"],
    "PAUSED": ["Suspended"],
    "CANCELLING": ["Stopping", "Aborting"],
}


def test_no_past_however_odd_goes_from_a_status_to_the_same_one() -> None:
    """`running → running`, and "Changed to Pending" twice, told a reader nothing."""
    kinds_of_states = [(word, name) for word in WORDS for name in (word.title(), *NAMES.get(word, ()))]
    for pair in itertools.product(kinds_of_states, repeat=3):
        told = transitions_of(states(*pair), [], Origin())
        assert all(change.before != change.to for change in told), pair


def test_when_the_job_heard_of_a_stop_is_an_event_of_that_time() -> None:
    receipt = RECEIPT.replace("08:15:00", "08:15:01")
    past = states("RUNNING", ("CANCELLING", "Stopping"), ("CANCELLED", "Cancelled", f"by bob. {receipt}"))
    asked, heard = events_of(past, [], Origin())
    assert (asked.kind, heard.kind, heard.message) == ("stop_asked", "heard", "The job heard of it after 0.30 s")
    assert heard.at == START + timedelta(seconds=1.42)
    died = states("RUNNING", ("CRASHED", "Crashed", RECEIPT.replace("asked", "died").replace("delivered", "noticed")))
    assert events_of(died, [], Origin()) == []
