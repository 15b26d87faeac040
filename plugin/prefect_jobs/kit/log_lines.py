"""Prefect ships log lines in batches, and one line that it cannot send takes its whole batch along.

Half of a surrogate pair does that, such as stands in the name of a file that is no UTF-8; so does NUL on PostgreSQL.
And of a line of more than a megabyte Prefect keeps less than it could, of one in another script than Latin nothing. So
the text of each line is made such that it can be sent: in the flow of the kit wherever it runs, and in every flow that
our worker starts, which names `JobLogHandler` to Prefect's logging.
"""

import json
import logging

from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_TO_API_MAX_LOG_SIZE

from prefect_jobs.clean_text import clean, shortened, text_of

ENVELOPE = 2_000
"""Bytes of a line that are not its text: ids, level, time, the logger's name."""
BYTES_OF_A_CHARACTER = 12
"""In JSON, at most."""
LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.extra")


class PlainLines(logging.Formatter):
    """Makes of each record what another formatter makes of it, as a text that can be sent."""

    def __init__(self, inner: logging.Formatter | None = None) -> None:
        super().__init__()
        self.inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """The text of a line, whatever the author's objects do on the way."""
        try:
            text = self.inner.format(record)
        except Exception as error:  # noqa: BLE001  the line is told without what broke
            text = f"{text_of(record.msg)} [its arguments cannot be shown: {type(error).__name__}: {text_of(error)}]"
        return fitting(clean(text), PREFECT_LOGGING_TO_API_MAX_LOG_SIZE.value() - ENVELOPE)


class JobLogHandler(APILogHandler):
    """Prefect's handler, for the flows that our worker starts."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(PlainLines())


def guard_log_lines() -> None:
    """Let every line that this process sends to Prefect be such that it can be sent."""
    for name in LOGGERS:
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, APILogHandler) and not isinstance(handler.formatter, PlainLines):
                handler.setFormatter(PlainLines(handler.formatter))


def fitting(text: str, limit: int) -> str:
    """The text cut so that it takes no more than so many bytes as JSON."""
    length, cut = len(text), text
    if length * BYTES_OF_A_CHARACTER <= limit:
        return text
    while length and (size := len(json.dumps(cut))) > limit:
        # The rest may take more bytes than what is cut off: then it is cut once more.
        length = min(length - 1, length * limit // size)
        cut = shortened(text, length)
    return cut
