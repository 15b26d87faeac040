"""One execution of a job's body: what is logged and sent around it, whatever it does.

In a flow run of its own it reports to Prefect; called as a plain function (a test, a benchmark) it only logs.
"""

import logging
import time
from collections.abc import Callable
from contextvars import Token
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, get_settings_context
from prefect.logging import get_run_logger

from prefect_jobs.kit.prefect_sink import open_prefect_sink
from prefect_jobs.kit.progress_call import current_reporter
from prefect_jobs.kit.reporter import Reporter
from prefect_jobs.kit.result import result_label
from prefect_jobs.kit.wire import storable
from prefect_jobs.report_names import KIT_LABEL, RESULT_LABEL, TITLE_LABEL


class Attempt:
    """A body being executed: enter it, say how it ended (`succeeded` or `failed`), leave it."""

    def __init__(self, job_type: str, title: str | None, function: Callable[..., Any]) -> None:
        self._job_type = job_type
        self._title = title
        self._function = function
        self._number = 1
        self._started = time.monotonic()
        self._logger: logging.Logger | logging.LoggerAdapter[Any] = logging.getLogger(__name__)
        self._reporter: Reporter | None = None
        self._token: Token[Reporter | None] | None = None

    def __enter__(self) -> "Attempt":
        context = FlowRunContext.get()
        # A job's function called as a plain function inside another flow must not speak for that flow's run.
        if context is not None and context.flow_run is not None and _wraps(context.flow, self._function):
            self._logger = get_run_logger()
            self._number = context.flow_run.run_count
            self._reporter = self._reporter_of(context.flow_run.id)
            self._token = current_reporter.set(self._reporter)
        self._logger.info("Job started: %s", self._job_type)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            current_reporter.reset(self._token)

    def succeeded(self, result: Any) -> None:
        """The body returned: store its result and send what is left of its reports."""
        labels: dict[str, str] = {}
        if isinstance(result, State):  # the author chose the run's final state, which may be a failure
            self._logger.info("Job ended as %s", result.name)
        else:
            self._logger.info("Job completed successfully in %.1fs", time.monotonic() - self._started)
            labels[RESULT_LABEL] = result_label(result, attempt=self._number)
        self._close(labels)

    def failed(self, error: BaseException) -> None:
        """The body raised: send what is left of its reports. Only errors are logged: a stopped job did not fail."""
        if isinstance(error, Exception):
            self._logger.error("Job failed: %s", storable(str(error)) or type(error).__name__)
        self._close({})

    def _reporter_of(self, flow_run_id: UUID) -> Reporter:
        settings = get_settings_context()
        labels = {KIT_LABEL: "1"} | ({TITLE_LABEL: self._title} if self._title else {})
        return Reporter(lambda: open_prefect_sink(flow_run_id, settings), attempt=self._number, labels=labels)

    def _close(self, labels: dict[str, str]) -> None:
        if self._reporter is not None:
            self._reporter.close(labels)


def _wraps(flow: Flow[..., Any] | None, function: Callable[..., Any]) -> bool:
    return flow is not None and getattr(flow.fn, "__wrapped__", None) is function
