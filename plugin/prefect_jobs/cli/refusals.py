"""What a person can put right (a taken port, a missing server, a folder without permission) deserves one sentence, not
a traceback, and an exit code that a script can tell from a crash.

``Refusal`` carries the sentence; ``refusing`` turns foreign errors into one.
"""

from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum


class ExitCode(IntEnum):
    """What a script can tell from how a command ended."""

    OK = 0
    NOT_DONE = 1
    """The job failed, or the server refused one of several jobs."""
    REFUSED = 2
    """The command line makes no sense, or the server will not do it."""
    NOT_REACHABLE = 3
    """The server does not answer, or cannot."""
    NOT_FOUND = 4
    NOT_ALLOWED = 5
    """The server wants an API key, another one, or one with a more powerful role."""
    TIMED_OUT = 124
    """As `timeout` of coreutils."""
    INTERRUPTED = 130
    """As a shell says of Ctrl-C."""


class Refusal(Exception):
    """The command cannot do what was asked; the message is the sentence to print."""

    def __init__(self, sentence: str, exit_code: ExitCode = ExitCode.REFUSED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


@contextmanager
def refusing(*expected: type[Exception]) -> Generator[None]:
    """Turn the expected errors, whose first line is a sentence already, into a refusal."""
    try:
        yield
    except expected as error:
        raise Refusal(str(error).partition("\n")[0]) from error


@contextmanager
def refusing_with(sentence: str, *expected: type[Exception]) -> Generator[None]:
    """Turn the expected errors into a refusal that begins with a sentence of ours."""
    try:
        yield
    except expected as error:
        raise Refusal(f"{sentence}: {str(error).partition(chr(10))[0]}") from error


@contextmanager
def refusing_missing_parts() -> Generator[None]:
    """Turn a failed import into a refusal that names what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise Refusal(
            f"The Python package that provides {error.name!r} is missing: install prefect-jobs with its dependencies."
        ) from error
