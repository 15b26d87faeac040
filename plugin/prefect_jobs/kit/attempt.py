"""One execution of a job's body: what is logged, sent and watched around it, whatever it does.

In a flow run of its own it reports to Prefect and is watched; called as a plain function (a test, a benchmark) it only
logs.
"""

import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext, get_settings_context
from prefect.exceptions import Abort
from prefect.logging import get_run_logger

from prefect_jobs.clean_text import text_of
from prefect_jobs.kit.ending import BEFORE_IT_BEGAN, BY_ITSELF, WITH_ITS_CALLER, cancelled, request_now
from prefect_jobs.kit.log_lines import guard_log_lines
from prefect_jobs.kit.plain_error import error_text, plain_error
from prefect_jobs.kit.prefect_door import Door, prefect_door
from prefect_jobs.kit.prefect_sink import open_prefect_sink
from prefect_jobs.kit.progress_call import current_reporter
from prefect_jobs.kit.reporter import Reporter
from prefect_jobs.kit.result import result_label
from prefect_jobs.kit.stop_flag import JobStopped, StopFlag, current_stop_flag
from prefect_jobs.kit.watching import Charge, Watching, begin_watch, wait_until_settled
from prefect_jobs.report_names import KIT_LABEL, RESULT_LABEL, TITLE_LABEL
from prefect_jobs.sidecar.http_call import HttpApi, Refused, Unclear
from prefect_jobs.sidecar.orders import INTERRUPTED, RAISED, REPORTED, RETURNED, STOPPED
from prefect_jobs.sidecar.page import NOT_OURS, StopRequest
from prefect_jobs.sidecar.run_api import RunApi, cancelled_before_it_began

ENGINE_RUN_ID = "PREFECT__FLOW_RUN_ID"
"""Environment variable with the run that this process was started for by Prefect."""

T = TypeVar("T")


class Attempt:
    """A body being executed: enter it, say how it ended (`succeeded` or `failed`), leave it."""

    def __init__(self, job_type: str, title: str | None, limit: float | None, function: Callable[..., Any]) -> None:
        self._job_type = job_type
        self._title = title
        self._limit = limit
        self._function = function
        self._number = 1
        self._started = time.monotonic()
        self._logger: logging.Logger | logging.LoggerAdapter[Any] = logging.getLogger(__name__)
        self._reporter: Reporter | None = None
        self._run: FlowRun | None = None
        self._door: Door | None = None
        self._watching: Watching | None = None
        self._flag: StopFlag | None = None
        self._set = ExitStack()

    def __enter__(self) -> "Attempt":
        self._run = _own_run(self._function)
        if self._run is not None:
            guard_log_lines()
            self._logger = get_run_logger()
            self._number = self._run.run_count
            self._reporter = self._reporter_of(self._run)
            self._put(current_reporter, self._reporter)
            self._watch(self._run)
        self._logger.info("Job started: %s", self._job_type)
        return self

    def __exit__(self, *_: object) -> None:
        self._set.close()

    def refused(self) -> State[None] | None:
        """The run's final state, when its body must not begin: it was cancelled while its process was on the way."""
        if self._run is None or self._door is None or (request := _earlier_cancellation(self._door, self._run)) is None:
            return None
        self._logger.warning("Job cancelled before it began")
        return self._stopped(request, None)

    def succeeded(self, result: object) -> None:
        """The body returned: store its result and send what is left of its reports."""
        self._tell(RETURNED)
        labels: dict[str, str] = {}
        if isinstance(result, State):  # the author chose the run's final state, which may be a failure
            self._logger.info("Job ended as %s", result.name)
        else:
            self._logger.info("Job completed successfully in %.1fs", time.monotonic() - self._started)
            labels[RESULT_LABEL] = result_label(result, attempt=self._number)
        self._close(labels)
        self._tell(REPORTED)
        self._settle()

    def failed(self, error: BaseException) -> State[None] | None:
        """The body raised: send what is left of its reports. Only errors are logged: a stopped job did not fail.

        Returns:
            Cancelled, when it stopped because it was asked to; None when the error is the end of it.

        Raises:
            Abort: the run is in another attempt by now, so this one must leave its state alone.
        """
        if isinstance(error, Exception | JobStopped) and (request := self._request(error)) is not None:
            self._logger.warning("Job stopped: %s", request.message)
            return self._stopped(request, error)
        if isinstance(error, Exception):
            text = error_text(error)
            self._logger.error("Job failed: %s", text or type(error).__name__)
            self._tell(RAISED, f"{type(error).__name__}: {text}")
        else:
            self._tell(INTERRUPTED)
        self._close({})
        self._settle()
        return None

    def told(self, error: BaseException) -> BaseException:
        """What is raised in place of the error: itself, unless it is one that Prefect could not store."""
        return plain_error(error) if self._run is not None and isinstance(error, Exception) else error

    def _watch(self, run: FlowRun) -> None:
        context = FlowRunContext.get()
        assert context is not None, "expected the context of a run"
        self._door = prefect_door(str(context.client.api_url))
        self._watching = begin_watch(_charge(run, self._limit), self._door)
        self._flag = StopFlag(self._watching.page.memory, current_stop_flag.get())
        self._put(current_stop_flag, self._flag)

    def _stopped(self, request: StopRequest, error: BaseException | None) -> State[None]:
        self._tell(STOPPED)
        self._close({})
        return cancelled(request, error, quietly=self._run is not None and _is_alone(self._run))

    def _request(self, error: BaseException) -> StopRequest | None:
        """Who asked the body to stop; an error while nobody did is an error."""
        if self._watching is not None and (request := self._watching.page.request()) is not None:
            if self._watching.page.flag == NOT_OURS:
                self._tell(STOPPED)
                self._close({})
                raise Abort(request.message) from error
            return request
        if self._flag is not None and self._flag.raised:
            return request_now(WITH_ITS_CALLER)
        return request_now(BY_ITSELF) if isinstance(error, JobStopped) and self._run is not None else None

    def _settle(self) -> None:
        """Wait until the end that Prefect would refuse is written by the watch."""
        if self._watching is not None and self._watching.page.flag:
            if self._watching.page.flag == NOT_OURS:
                raise Abort("Another attempt of this job began")
            wait_until_settled(self._watching.page)

    def _tell(self, phase: str, error: str | None = None) -> None:
        if self._watching is not None:
            self._watching.say(phase, error)

    def _put(self, variable: ContextVar[T | None], value: T) -> None:
        self._set.callback(variable.reset, variable.set(value))

    def _reporter_of(self, run: FlowRun) -> Reporter:
        settings = get_settings_context()
        labels = {KIT_LABEL: "1"} | ({TITLE_LABEL: text_of(self._title)} if self._title else {})
        return Reporter(lambda: open_prefect_sink(run.id, settings), attempt=self._number, labels=labels)

    def _close(self, labels: dict[str, str]) -> None:
        if self._reporter is not None:
            self._reporter.close(labels)


def _own_run(function: Callable[..., Any]) -> FlowRun | None:
    """The run that this function is the body of.

    A job's function called as a plain function inside another flow must not speak for that flow's run.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or not _wraps(context.flow, function):
        return None
    return context.flow_run


def _wraps(flow: Flow[..., Any] | None, function: Callable[..., Any]) -> bool:
    return flow is not None and getattr(flow.fn, "__wrapped__", None) is function


def _charge(run: FlowRun, limit: float | None) -> Charge:
    state_id = str(run.state.id) if run.state is not None else ""
    return Charge(str(run.id), run.run_count, state_id, _is_alone(run), limit)


def _is_alone(run: FlowRun) -> bool:
    """Whether this process was started for the run, and serves nobody else."""
    return os.environ.get(ENGINE_RUN_ID) == str(run.id)


def _earlier_cancellation(door: Door, run: FlowRun) -> StopRequest | None:
    with suppress(Unclear, Refused):
        states = RunApi(HttpApi(door.api_url, door.api_headers, trust=door.trust), str(run.id), run.run_count).history()
        if (state := cancelled_before_it_began(states)) is not None:
            return request_now(f"{BEFORE_IT_BEGAN}: {state.message or state.name}")
    return None
