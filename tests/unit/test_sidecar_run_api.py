"""Writing states of a run that others write too: what came in between decides, and an old attempt touches nothing."""

import pytest

from prefect_jobs.sidecar.http_call import Unclear
from prefect_jobs.sidecar.run_api import Overtaken, State, cancelled_before_it_began
from tests.unit.one_run import OneRun


def seen(run: OneRun) -> State:
    state = run.api().read()
    assert state is not None
    return state


def test_a_state_is_written_over_the_one_that_was_seen() -> None:
    run = OneRun()
    written = run.api().write(seen(run), "FAILED", "TimedOut", "too long", force=True)
    assert run.ended_as == ("FAILED", "TimedOut")
    assert (written.id, written.run_count) == (run.states[-1]["id"], 1)


def test_nothing_is_written_over_a_state_that_was_not_seen() -> None:
    run = OneRun()
    before = seen(run)
    run.put("COMPLETED")
    with pytest.raises(Overtaken):
        run.api().write(before, "CANCELLED", "Aborted", "", force=True)
    assert run.ended_as == ("COMPLETED", "Completed")


def test_an_end_that_came_between_the_look_and_the_forced_write_is_put_back() -> None:
    """A forced write raises an ended run from the dead: a completed job would read Aborted."""
    run = OneRun()
    run.before_write = lambda: run.put("COMPLETED", message="all done")
    with pytest.raises(Overtaken):
        run.api().write(seen(run), "FAILED", "TimedOut", "", force=True)
    assert (*run.ended_as, run.message) == ("COMPLETED", "Completed", "all done")


def test_an_old_attempt_writes_nothing() -> None:
    run = OneRun("SCHEDULED", "RUNNING", "CRASHED", "SCHEDULED", "RUNNING")
    with pytest.raises(Overtaken):
        run.api(attempt=1).write(seen(run), "CRASHED", "Crashed", "", force=False)
    assert run.ended_as == ("RUNNING", "Running")


def test_what_prefect_refuses_is_overtaken() -> None:
    run = OneRun("SCHEDULED", "RUNNING", "CANCELLING")
    with pytest.raises(Overtaken):
        run.api().write(seen(run), "COMPLETED", "Completed", "", force=False)


def test_an_unclear_answer_is_asked_for_again_and_a_lost_one_writes_once() -> None:
    run = OneRun()
    before = seen(run)
    run.away, run.lost_answers = 1, 1
    run.api().write(before, "CANCELLED", "Aborted", "once", force=False)
    assert [state["message"] for state in run.states].count("once") == 1


def test_a_server_that_stays_away_is_no_answer() -> None:
    run = OneRun()
    before = seen(run)
    run.away = 100
    with pytest.raises(Unclear):
        run.api().write(before, "CANCELLED", "Aborted", "", force=False)


def test_a_deleted_run_is_none() -> None:
    run = OneRun()
    run.deleted = True
    assert run.api().read() is None


@pytest.mark.parametrize(
    ("types", "cancelled"),
    [
        (("SCHEDULED", "PENDING", "RUNNING"), False),
        (("SCHEDULED", "PENDING", "CANCELLED", "RUNNING"), True),
        (("SCHEDULED", "CANCELLED", "SCHEDULED", "PENDING", "RUNNING"), False),
        (("PENDING", "CANCELLED", "RUNNING"), True),  # `python file.py`: it was never scheduled
    ],
)
def test_a_run_that_was_cancelled_since_it_was_queued_must_not_begin(types: tuple[str, ...], cancelled: bool) -> None:
    assert (cancelled_before_it_began(OneRun(*types).api().history()) is not None) is cancelled


def test_the_servers_patience_is_asked_for_and_guessed_where_it_does_not_say() -> None:
    run = OneRun()
    assert run.api().cancelling_timeout() == 10.0
    run.away = 1
    assert run.api().cancelling_timeout() == 300.0
