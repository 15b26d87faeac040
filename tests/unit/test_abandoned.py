"""When a worker counts as away: what stands on the run, what can be seen from here, and who gives signs of life."""

import os
from dataclasses import replace
from typing import Any

import pytest
from prefect.client.schemas.objects import StateType

from prefect_jobs.worker.abandoned import Taken, absence
from prefect_jobs.worker_process import WorkerProcess

HERE = WorkerProcess.this("w", limit=3)
DEAD = replace(HERE, pid=os.getpid(), started=1)
"""The process id is in use again: the process that has it began at another time."""
ELSEWHERE = replace(HERE, host="another")
IN_A_CONTAINER = replace(HERE, space="pid:[1]")


def taken(process: WorkerProcess | None, state: StateType = StateType.RUNNING, **fields: Any) -> Taken:
    values: dict[str, Any] = {"state_name": state.name.title(), "worker": "w", "waits_in_process": False}
    return Taken(state_type=state, process=process, **(values | fields))


def test_a_worker_that_lives_on_this_machine_is_there_whatever_the_server_says() -> None:
    assert absence(taken(HERE), online=[], first=True) is None


def test_a_process_id_in_use_again_is_not_that_worker() -> None:
    assert absence(taken(DEAD), online=["w"], first=False) == "visibly gone"


@pytest.mark.parametrize("process", [ELSEWHERE, IN_A_CONTAINER])
def test_a_worker_that_cannot_be_seen_is_away_when_no_sign_of_life_comes(process: WorkerProcess) -> None:
    assert absence(taken(process), online=["w"], first=True) is None
    assert absence(taken(process), online=[], first=True) == "unheard of"


def test_only_one_worker_looks_after_those_of_other_machines() -> None:
    assert absence(taken(ELSEWHERE), online=[], first=False) is None


def test_what_prefects_own_worker_runs_outlives_it_but_what_it_had_not_begun_does_not() -> None:
    assert absence(taken(None), online=[], first=True) is None
    assert absence(taken(None, StateType.PENDING, state_name="Submitting"), online=[], first=True) == "unheard of"


def test_the_name_on_a_run_that_was_taken_a_moment_ago_may_be_that_of_its_last_worker() -> None:
    """Its new worker writes its own name after it has taken the run: who believed the old one would give away a run
    that is about to begin."""
    assert absence(taken(DEAD, StateType.PENDING, state_name="Pending"), online=["w"], first=True) == "unheard of"
    assert absence(taken(DEAD, StateType.PENDING, state_name="Submitting"), online=["w"], first=True) == "visibly gone"


def test_a_run_that_waits_in_the_queue_is_nobodys() -> None:
    assert absence(taken(DEAD, StateType.SCHEDULED), online=[], first=True) is None


def test_a_run_that_waited_in_its_own_process_went_with_it() -> None:
    waits = taken(DEAD, StateType.SCHEDULED, state_name="AwaitingRetry", waits_in_process=True)

    assert absence(waits, online=[], first=True) == "visibly gone"


def test_a_label_says_which_process_a_worker_is() -> None:
    assert WorkerProcess.parse(HERE.label()) == HERE
    assert HERE.visible
    assert HERE.lives


def test_the_label_of_a_worker_of_ours_says_nothing_once_another_kind_has_taken_the_run() -> None:
    """Prefect's own worker leaves our label as it is: a run at work there was taken for one whose worker is dead."""
    assert WorkerProcess.of_run({"prefect-jobs.worker": HERE.label(), "prefect.worker.name": "w"}) == HERE
    assert WorkerProcess.of_run({"prefect-jobs.worker": HERE.label(), "prefect.worker.name": "ProcessWorker 1"}) is None


@pytest.mark.parametrize("text", [None, 7, "", "no json", "[]", "{}", '{"host": "h"}', '{"host": "h", "pid": "x"}'])
def test_what_is_no_such_label_is_no_worker_of_ours(text: object) -> None:
    assert WorkerProcess.parse(text) is None
