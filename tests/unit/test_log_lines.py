"""Lines that took their whole batch along, and those of which less was kept than could be."""

import json
import logging
import os
import sys
from collections.abc import Generator
from typing import Any

import pytest
from prefect.logging import handlers
from prefect.logging.handlers import APILogHandler

from prefect_jobs.kit.log_lines import JobLogHandler, PlainLines, fitting, guard_log_lines

NAME = os.fsdecode(b"caf\xe9.txt")
RUN = {"flow_run_id": "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"}


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no text today")


@pytest.fixture
def sent() -> Generator[list[dict[str, Any]]]:
    """What Prefect would send, of any handler of its."""
    lines: list[dict[str, Any]] = []
    handlers.set_api_log_sink(lines.append)
    yield lines
    handlers.set_api_log_sink(None)


@pytest.fixture
def logger() -> logging.Logger:
    made = logging.Logger("a flow")
    made.addHandler(JobLogHandler())
    return made


@pytest.mark.parametrize(
    ("message", "args", "text"),
    [
        ("reading %s", (NAME,), "reading caf\ufffd.txt"),
        (f"reading {NAME}", (), "reading caf\ufffd.txt"),
        ("a\x00b", (), "a\ufffdb"),
        ("100 % of %s", (), "100 % of %s"),
        ("%d files", ("many",), "%d files [its arguments cannot be shown: TypeError: "),
        ("seen: %s", (Mute(),), "seen: %s [its arguments cannot be shown: RuntimeError: no text today]"),
    ],
)
def test_a_line_can_be_sent_whatever_it_says(
    logger: logging.Logger, sent: list[dict[str, Any]], message: str, args: tuple[Any, ...], text: str
) -> None:
    logger.info("before", extra=RUN)
    logger.info(message, *args, extra=RUN)
    logger.info("behind", extra=RUN)
    assert [line["message"] for line in sent[::2]] == ["before", "behind"]
    assert sent[1]["message"].startswith(text)
    json.dumps(sent, ensure_ascii=False).encode()  # as httpx makes the request


def test_a_traceback_can_be_sent_too(logger: logging.Logger, sent: list[dict[str, Any]]) -> None:
    try:
        raise ValueError(NAME)
    except ValueError:
        logger.exception("Encountered exception during execution: %r", sys.exc_info()[1], extra=RUN)
    [line] = sent
    assert line["message"].endswith("ValueError: caf\ufffd.txt")
    assert "Traceback (most recent call last):" in line["message"]
    json.dumps(sent, ensure_ascii=False).encode()


@pytest.mark.parametrize("sign", ["x", "ж", "😀", "\n"])
def test_of_a_line_of_ten_megabytes_is_kept_what_prefect_takes(
    logger: logging.Logger, sent: list[dict[str, Any]], sign: str
) -> None:
    """Prefect counts bytes of JSON and cuts characters: of Cyrillic text nothing was left."""
    logger.info(sign * 10_000_000, extra=RUN)
    [line] = sent
    assert line["message"].startswith(sign * 70_000)
    assert line["message"].endswith("… [cut: it has 10,000,000 characters]")
    assert 800_000 < len(json.dumps(line)) < 1_000_000


def test_a_line_that_fits_is_left_alone() -> None:
    assert fitting("ж" * 1_000, 6_002) == "ж" * 1_000
    assert len(json.dumps(fitting("ж" * 500 + "x" * 500 + "😀" * 500, 6_000))) <= 6_000


def test_the_kit_guards_the_handlers_that_prefect_has_set_up() -> None:
    logger = logging.getLogger("prefect.flow_runs")
    handler = APILogHandler()
    handler.setFormatter(inner := logging.Formatter("> %(message)s"))
    logger.addHandler(handler)
    try:
        guard_log_lines()
        guard_log_lines()
        assert isinstance(handler.formatter, PlainLines)
        assert handler.formatter.inner is inner
        assert handler.format(logging.makeLogRecord({"msg": NAME})) == "> caf\ufffd.txt"
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
