"""The protocol of stopping, step by step: what is done in which order, and what is made of every end."""

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from prefect_jobs.report_names import RECEIPT_LABEL
from prefect_jobs.sidecar import watch
from prefect_jobs.sidecar.adapter_line import AdapterLine
from prefect_jobs.sidecar.http_call import Unclear
from prefect_jobs.sidecar.orders import INTERRUPTED, RAISED, REPORTED, RETURNED, RUNNING, STOPPED, Orders, phase_line
from prefect_jobs.sidecar.page import NOT_OURS, SIZE, STOP, Page
from prefect_jobs.sidecar.process_tree import ProcessTree
from prefect_jobs.sidecar.receipt import find_receipt, without_receipt
from prefect_jobs.sidecar.run_api import Overtaken
from prefect_jobs.sidecar.watch import Watch
from tests.unit.one_run import RUN, OneRun


@dataclass
class TreeDouble:
    """Processes that are frozen and killed by word only."""

    done: list[str]
    on_freeze: Callable[[], object] = lambda: None
    on_thaw: Callable[[], object] = lambda: None
    left: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def remember(self) -> None:
        pass

    def freeze(self) -> None:
        self.done.append("freeze")
        self.on_freeze()

    def thaw(self) -> None:
        self.done.append("thaw")
        self.on_thaw()

    def kill(self) -> list[tuple[int, str]]:
        self.done.append("kill")
        return [(41, "python"), (42, "sleep")]


class Stage:
    """A watch over a run, with ends of its pipes in the test's hands."""

    def __init__(self, run: OneRun, *, deadline: float | None = None, attempt: int = 1, alone: bool = True) -> None:
        self.run = run
        self.tree = TreeDouble(run.done)
        self.page = Page(bytearray(SIZE))
        reports, self._told = os.pipe()
        life, self._life = os.pipe()  # readable once it is closed, as a pidfd is at the death
        fields: dict[str, Any] = dict.fromkeys(Orders.__slots__)
        fields |= {"pidfd": life, "deadline": deadline, "limit": 4.0, "alone": alone, "state_id": run.states[-1]["id"]}
        self._ends = [reports, self._told, life]
        tree = cast(ProcessTree, self.tree)
        line = AdapterLine(None, RUN)
        self.watch = Watch(Orders(fields), self.page, run.api(attempt), line, reports=reports, tree=tree)

    def tell(self, phase: str, error: str | None = None) -> None:
        os.write(self._told, phase_line(phase, error))

    def die(self) -> None:
        os.close(self._life)
        self._life = -1

    def close(self) -> None:
        for end in [*self._ends, *([self._life] if self._life >= 0 else [])]:
            os.close(end)

    @property
    def receipt(self) -> tuple[str, str]:
        found = find_receipt(self.run.message)
        assert found is not None, self.run.message
        return found.cause, found.how


@pytest.fixture
def stage_of() -> Generator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(run: OneRun, **options: Any) -> Stage:
        made.append(Stage(run, **options))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


def test_an_abort_freezes_then_writes_then_kills_then_proves(stage_of: Callable[..., Stage]) -> None:
    """Written after the kill, Crashed would win: whoever started the process reports its death at once."""
    stage = stage_of(OneRun())
    stage.run.put("CANCELLING", "Aborting", "Aborted through the jobs API by bob")
    assert stage.watch.run()
    assert stage.run.done == ["freeze", "write Aborted", "kill", "write Aborted"]
    assert stage.run.ended_as == ("CANCELLED", "Aborted")
    assert without_receipt(stage.run.message) == "Aborted through the jobs API by bob"
    assert stage.receipt == ("asked", "killed")
    assert stage.run.message.endswith(": 41 python, 42 sleep.")
    assert sum("Receipt:" in str(state["message"]) for state in stage.run.states) == 1


def test_a_job_that_outlives_its_limit_is_killed_as_timed_out(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of(OneRun(), deadline=0.0)
    assert stage.watch.run()
    assert stage.run.done == ["freeze", "write TimedOut", "kill", "write TimedOut"]
    assert stage.run.ended_as == ("FAILED", "TimedOut")
    assert without_receipt(stage.run.message) == "Job timed out after 4 seconds"
    assert stage.receipt == ("due", "killed")


def test_a_job_that_completed_at_its_limit_is_completed_and_not_killed(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of(OneRun(), deadline=0.0)
    stage.run.before_write = lambda: stage.run.put("COMPLETED")
    stage.tree.on_thaw = lambda: stage.tell(RETURNED)
    assert stage.watch.run()
    assert "kill" not in stage.run.done
    assert stage.run.ended_as == ("COMPLETED", "Completed")


def test_a_body_that_returns_while_it_is_frozen_is_let_go(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of(OneRun(), deadline=0.0)
    stage.tree.on_freeze = lambda: stage.tell(RETURNED)
    stage.tree.on_thaw = lambda: stage.run.put("COMPLETED")
    assert stage.watch.run()
    assert stage.run.done == ["freeze", "thaw"]


def test_nothing_is_killed_while_the_server_gives_no_clear_answer(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of(OneRun())
    stage.run.put("CANCELLING", "Aborting")

    def lose_the_server() -> None:
        stage.run.away = 0 if stage.run.done.count("freeze") > 1 else 3

    stage.tree.on_freeze = lose_the_server
    assert stage.watch.run()
    assert stage.run.done == ["freeze", "thaw", "freeze", "write Aborted", "kill", "write Aborted"]


@pytest.mark.parametrize("deadline", [None, 0.0])
def test_a_job_whose_end_was_written_as_the_server_went_is_killed_when_it_is_back(
    stage_of: Callable[..., Stage], deadline: float | None
) -> None:
    """The state was written, and the server gone before it was clear that no other end had come in between."""
    stage = stage_of(OneRun(), deadline=deadline)
    if deadline is None:
        stage.run.put("CANCELLING", "Aborting", "by bob")

    def lose_the_server() -> None:
        stage.run.before_write = lambda: setattr(stage.run, "lost_answers", 1) or setattr(stage.run, "away_after", 3)

    stage.tree.on_freeze = lambda: lose_the_server() if stage.run.done.count("freeze") == 1 else None
    assert stage.watch.run()
    end = "Aborted" if deadline is None else "TimedOut"
    assert stage.run.done == ["freeze", f"write {end}", "thaw", "freeze", "kill", f"write {end}"]
    assert stage.run.ended_as[1] == end
    assert stage.receipt == ("asked" if deadline is None else "due", "killed")


def test_a_cancellation_raises_the_flag_and_leaves_the_rest_to_the_job(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of(OneRun())
    stage.run.put("CANCELLING", "Stopping", "Cancelled through the jobs API by alice")
    stage.tell(STOPPED)
    stage.run.put("CANCELLED", "Cancelled", "the job's own")
    stage.die()
    assert stage.watch.run()
    assert "write Cancelled" not in stage.run.done


@pytest.mark.parametrize(
    ("name", "message", "asks"),
    [
        ("Stopping", "by alice", "by alice"),
        ("Cancelling", None, "Cancelling"),
        ("Cancelling", "in the UI", "in the UI"),
    ],
)
def test_every_wish_to_stop_is_delivered_with_who_asked(
    stage_of: Callable[..., Stage], name: str, message: str | None, asks: str
) -> None:
    """Also Prefect's own, which nobody would act on where no worker runs the job."""
    stage = stage_of(OneRun())
    stage.run.put("CANCELLING", name, message)
    stage.watch.look()
    request = stage.page.request()
    assert request is not None
    assert (stage.page.flag, request.message) == (STOP, asks)
    assert request.delivered >= request.asked


@pytest.mark.parametrize("name", ["Stopping", "Aborting"])
def test_the_server_is_told_again_before_it_loses_patience(stage_of: Callable[..., Stage], name: str) -> None:
    stage = stage_of(OneRun())
    first = stage.run.put("CANCELLING", name, "by alice")
    stage.run.grow_older(5.0)  # of ten that the server bears
    with pytest.raises(Overtaken):  # by itself: the new state is to be looked at
        stage.watch.look()
    assert stage.run.states[-1]["id"] != first
    assert (*stage.run.ended_as, stage.run.message) == ("CANCELLING", name, "by alice")


@pytest.mark.parametrize(
    ("phase", "wish", "end", "how"),
    [
        (REPORTED, "Stopping", ("COMPLETED", "Completed"), "finished"),
        (REPORTED, "Aborting", ("COMPLETED", "Completed"), "finished"),
        (RAISED, "Stopping", ("FAILED", "Failed"), "failed"),
        (RAISED, "Aborting", ("FAILED", "Failed"), "failed"),
    ],
)
def test_a_body_that_ended_before_it_could_be_stopped_gets_its_own_end(
    stage_of: Callable[..., Stage], phase: str, wish: str, end: tuple[str, str], how: str
) -> None:
    """Prefect takes no end but Cancelled from a run that is being cancelled: it would say Stopping for ever."""
    stage = stage_of(OneRun())
    stage.run.put("CANCELLING", wish, "by alice")
    stage.watch.hear(phase_line(phase, "ValueError: disk full"))
    assert stage.watch.run()
    assert stage.run.ended_as == end
    assert stage.receipt == ("asked", how)
    assert stage.page.settled
    if phase == RAISED:
        assert "ValueError: disk full" in stage.run.message
    assert "kill" not in stage.run.done


def test_a_body_that_returned_has_not_completed_before_its_result_is_there(stage_of: Callable[..., Stage]) -> None:
    """Whoever asked in between read Completed, and no result: the sidecar was quicker than the job's own report."""
    stage = stage_of(OneRun())
    stage.run.put("CANCELLING", "Stopping", "by alice")
    stage.watch.hear(phase_line(RETURNED))
    stage.watch.look()
    assert stage.run.done == []
    assert not stage.page.settled

    stage.watch.hear(phase_line(REPORTED))
    stage.watch.look()
    assert stage.run.ended_as == ("COMPLETED", "Completed")
    assert stage.page.settled


def test_a_result_that_does_not_come_is_waited_for_so_long_and_no_longer(
    stage_of: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "REPORTS_WITHIN", 0.0)
    stage = stage_of(OneRun())
    stage.run.put("CANCELLING", "Stopping", "by alice")
    stage.watch.hear(phase_line(RETURNED))
    stage.watch.look()
    assert stage.run.ended_as == ("COMPLETED", "Completed")


@pytest.mark.parametrize(
    ("phase", "state", "end"),
    [
        (RUNNING, ("RUNNING", ""), ("CRASHED", "Crashed")),
        (RUNNING, ("PAUSED", ""), ("CRASHED", "Crashed")),
        (RUNNING, ("CANCELLING", "Stopping"), ("CANCELLED", "Cancelled")),
        (RUNNING, ("CANCELLING", "Aborting"), ("CANCELLED", "Aborted")),
        (RUNNING, ("COMPLETED", ""), ("COMPLETED", "Completed")),
        (RUNNING, ("SCHEDULED", "AwaitingRetry"), ("SCHEDULED", "AwaitingRetry")),
        (RETURNED, ("RUNNING", ""), ("COMPLETED", "Completed")),
        (RETURNED, ("CANCELLING", "Stopping"), ("COMPLETED", "Completed")),
        (REPORTED, ("RUNNING", ""), ("COMPLETED", "Completed")),
        (RAISED, ("RUNNING", ""), ("FAILED", "Failed")),
        (RAISED, ("CANCELLING", "Aborting"), ("FAILED", "Failed")),
        (STOPPED, ("CANCELLING", "Stopping"), ("CANCELLED", "Cancelled")),
        (INTERRUPTED, ("RUNNING", ""), ("CRASHED", "Crashed")),
        (INTERRUPTED, ("SCHEDULED", "AwaitingRetry"), ("SCHEDULED", "AwaitingRetry")),
        (INTERRUPTED, ("CANCELLING", "Cancelling"), ("CANCELLED", "Cancelled")),
        (STOPPED, ("CANCELLED", ""), ("CANCELLED", "Cancelled")),
    ],
)
def test_a_death_is_told_as_what_the_body_had_come_to(
    stage_of: Callable[..., Stage], phase: str, state: tuple[str, str], end: tuple[str, str]
) -> None:
    stage = stage_of(OneRun())
    if phase != RUNNING:
        stage.tell(phase, "ValueError: disk full")
    if state[0] != "RUNNING":
        stage.run.put(*state)
    stage.die()
    stage.watch.hurry()
    assert stage.watch.run()
    assert stage.run.ended_as == end


def test_a_job_that_dies_while_it_waits_for_its_next_attempt_has_crashed(stage_of: Callable[..., Stage]) -> None:
    """It waits in its own process, and no worker takes a run that waits so: it would wait for ever."""
    stage = stage_of(OneRun())
    stage.watch.hear(phase_line(RAISED, "ValueError: disk full"))
    stage.run.put("SCHEDULED", "AwaitingRetry")
    stage.watch.look()
    stage.die()
    assert stage.watch.run()
    assert stage.run.ended_as == ("CRASHED", "Crashed")
    assert stage.receipt == ("died", "ended")


@pytest.mark.parametrize("dies", [False, True])
def test_a_job_that_is_cancelled_as_it_begins_to_wait_for_its_next_attempt_is_cancelled(
    stage_of: Callable[..., Stage], dies: bool
) -> None:
    """The watch looks a moment later, and saw the run neither wait nor fail: it said Failed of what was cancelled."""
    stage = stage_of(OneRun())
    stage.watch.hear(phase_line(RAISED, "ValueError: disk full"))
    stage.run.put("SCHEDULED", "AwaitingRetry")
    stage.run.put("CANCELLING", message="by alice")
    if dies:
        stage.die()
        stage.watch.hurry()
    assert stage.watch.run()
    assert stage.run.ended_as == ("CANCELLED", "Cancelled")


@pytest.mark.parametrize("alone", [True, False])
def test_the_process_of_a_job_that_is_cancelled_while_it_waits_for_its_next_attempt_is_ended(
    stage_of: Callable[..., Stage], alone: bool
) -> None:
    """Prefect let it begin that attempt seconds after the end, so a cancelled job read running again. The worker that
    would have ended the process had been killed. A script's process is its owner's."""
    stage = stage_of(OneRun(), alone=alone)
    stage.watch.hear(phase_line(RAISED, "ValueError: disk full"))
    stage.run.put("SCHEDULED", "AwaitingRetry")
    stage.watch.look()
    stage.run.put("CANCELLING", message="by alice")
    assert stage.watch.run()
    assert stage.run.ended_as == ("CANCELLED", "Cancelled")
    assert ("kill" in stage.run.done) == alone
    assert stage.receipt == ("asked", "killed" if alone else "stopped")


def test_a_failed_job_that_was_queued_again_does_not_crash_by_the_end_of_its_old_process(
    stage_of: Callable[..., Stage],
) -> None:
    stage = stage_of(OneRun())
    stage.watch.hear(phase_line(RAISED, "ValueError: disk full"))
    stage.run.put("SCHEDULED", "AwaitingRetry")
    stage.watch.look()
    stage.run.put("FAILED")
    stage.run.put("SCHEDULED", "AwaitingRetry")
    stage.die()
    assert stage.watch.run()
    assert stage.run.ended_as == ("SCHEDULED", "AwaitingRetry")


def test_a_death_that_its_worker_reports_is_not_reported_twice(stage_of: Callable[..., Stage]) -> None:
    """The receipt is a label: to write the state again would race with a worker that gives the run back."""
    stage = stage_of(OneRun())
    stage.tree.on_freeze = lambda: stage.run.put("CRASHED", message="the worker's words")
    stage.die()
    assert stage.watch.run()
    assert stage.run.done == ["freeze", "kill"]
    assert stage.run.message == "the worker's words"
    receipt = find_receipt(stage.run.labels[f"{RECEIPT_LABEL}.{stage.run.states[-1]['id']}"])
    assert receipt is not None
    assert (receipt.cause, receipt.how, len(receipt.processes)) == ("died", "ended", 2)


@pytest.mark.parametrize("phase", [RETURNED, REPORTED, RAISED])
def test_what_a_job_left_running_on_purpose_outlives_its_end(stage_of: Callable[..., Stage], phase: str) -> None:
    stage = stage_of(OneRun())
    stage.tell(phase, "an error")
    stage.run.put("COMPLETED")
    stage.die()
    assert stage.watch.run()
    assert "kill" not in stage.run.done


def test_what_a_stopped_job_left_behind_is_killed_and_named_in_its_receipt(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of(OneRun())
    stage.run.put("CANCELLING", "Stopping", "by alice")
    stage.watch.look()
    stage.tell(STOPPED)
    stage.run.put("CANCELLED", message="by alice")
    stage.die()
    assert stage.watch.run()
    assert stage.run.message.endswith(": 41 python, 42 sleep.")


@pytest.mark.parametrize("alone", [True, False])
def test_a_stopped_job_whose_process_does_not_end_is_killed_where_it_serves_nobody_else(
    stage_of: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    """A thread that is no daemon keeps it alive for as long as it likes, and with it a place of its worker."""
    monkeypatch.setattr(watch, "LINGER", 0.0)
    stage = stage_of(OneRun(), alone=alone)
    stage.run.put("CANCELLING", "Stopping", "by alice")
    stage.watch.look()
    stage.tell(STOPPED)
    stage.run.put("CANCELLED", message="by alice")
    assert stage.watch.run()
    assert ("kill" in stage.run.done) == alone
    assert stage.run.message.endswith(": 41 python, 42 sleep.") == alone


@pytest.mark.parametrize("phase", [RUNNING, STOPPED])
def test_the_receipt_of_a_death_names_what_could_not_be_killed(stage_of: Callable[..., Stage], phase: str) -> None:
    stage = stage_of(OneRun())
    stage.tree.left = [(43, "sudo")]
    if phase == STOPPED:
        stage.run.put("CANCELLING", "Stopping", "by alice")
        stage.watch.look()
        stage.tell(STOPPED)
        stage.run.put("CANCELLED", message="by alice")
    stage.die()
    stage.watch.hurry()
    assert stage.watch.run()
    assert stage.run.message.endswith("; not killed: 43 sudo.")


def test_a_watch_of_an_old_attempt_lets_go_and_writes_nothing(stage_of: Callable[..., Stage]) -> None:
    """Its run was thought dead and queued again while its process lived: a second attempt is at work."""
    stage = stage_of(OneRun())
    stage.run.put("CRASHED")
    stage.run.put("SCHEDULED")
    stage.run.put("RUNNING")
    assert stage.watch.run()
    assert stage.page.flag == NOT_OURS
    assert stage.run.done == []


def test_a_run_that_was_paused_and_goes_on_is_still_the_same_attempt(stage_of: Callable[..., Stage]) -> None:
    """Prefect counts the run again when it goes on."""
    stage = stage_of(OneRun())
    stage.run.put("PAUSED")
    stage.run.put("RUNNING")
    stage.watch.look()
    assert stage.page.flag == 0
    stage.run.put("CANCELLING", "Aborting")
    assert stage.watch.run()
    assert stage.run.ended_as == ("CANCELLED", "Aborted")


@pytest.mark.parametrize(("name", "end"), [("Stopping", "Cancelled"), ("Aborting", "Aborted")])
def test_a_job_at_work_of_which_the_server_says_cancelled_goes_on_stopping(
    stage_of: Callable[..., Stage], name: str, end: str
) -> None:
    """The server was away for longer than its patience: nobody could renew the wish, and it gave the job up."""
    stage = stage_of(OneRun())
    stage.run.put("CANCELLING", name, "by alice")
    stage.run.put("CANCELLED", message="Flow run cancellation timed out; marked this flow run as Cancelled.")
    with pytest.raises(Overtaken):  # by itself
        stage.watch.look()
    assert (*stage.run.ended_as, stage.run.message) == ("CANCELLING", name, "by alice")
    if name == "Stopping":
        stage.die()
        stage.watch.hurry()
    assert stage.watch.run()
    assert stage.run.ended_as == ("CANCELLED", end)


@pytest.mark.parametrize(("type", "flag"), [("CANCELLED", STOP), ("CRASHED", NOT_OURS), ("COMPLETED", NOT_OURS)])
def test_a_body_whose_run_somebody_ended_stops(stage_of: Callable[..., Stage], type: str, flag: int) -> None:
    stage = stage_of(OneRun())
    stage.run.put(type)
    stage.watch.look()
    assert stage.page.flag == flag


def test_a_watched_run_says_so_before_anything_else(stage_of: Callable[..., Stage]) -> None:
    """A job stuck in C code from its first line on cannot: it was taken for one that only Prefect can stop."""
    stage = stage_of(OneRun())
    stage.run.away = 1
    with pytest.raises(Unclear):
        stage.watch.look()
    stage.watch.look()
    assert stage.run.labels == {"prefect-jobs.kit": "1"}


def test_a_watch_ends_with_its_run(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of(OneRun())
    stage.run.deleted = True
    assert stage.watch.run()
    assert stage.run.done == []
