"""What a person can put right (a taken port, a missing server, a folder without permission) deserves one sentence, not
a traceback, and an exit code that a script can tell from a crash.

``Refusal`` carries the sentence; ``refusing`` turns foreign errors into one.
"""

from collections.abc import Generator
from contextlib import contextmanager

EXIT_CODE = 2


class Refusal(Exception):
    """The command cannot do what was asked; the message is the sentence to print."""


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
