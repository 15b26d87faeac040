"""Exceptions whose text no server takes, and what stands in for them.

A flow that met a file with a name that is no UTF-8 ended `crashed` and without an error: Prefect could not send the
state that named the file.
"""

import os
import pickle
import traceback
from typing import Any

import pytest

from prefect_jobs.clean_text import clean
from prefect_jobs.kit.plain_error import ERROR_LIMIT, error_text, plain_error

NAME = os.fsdecode(b"caf\xe9.txt")


class Refused(Exception):
    def __init__(self, code: int, *, name: str) -> None:
        super().__init__(f"{name} was refused")
        self.code = code


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text today")


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.mark.parametrize("error", [ValueError("disk full"), KeyError("x"), FileNotFoundError(2, "No such file", NAME)])
def test_an_error_that_can_be_told_is_left_alone(error: Exception) -> None:
    """The last one too: the text of an OSError escapes the name by itself."""
    assert plain_error(error) is error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError(f"cannot read {NAME}"), "cannot read caf\ufffd.txt"),
        (ValueError("NUL \x00"), "NUL \ufffd"),
        (OSError(NAME), "caf\ufffd.txt"),
        (UnicodeDecodeError("utf-8", b"caf\xe9", 3, 4, NAME), None),
        (Refused(5, name=NAME), "caf\ufffd.txt was refused"),
        (Silent(), "<Silent without text: RuntimeError>"),
        (ExceptionGroup(NAME, [ValueError("one")]), "caf\ufffd.txt (1 sub-exception)"),
    ],
)
def test_its_stand_in_has_the_same_name_and_kind_and_a_text_that_can_be_sent(
    error: Exception, text: str | None
) -> None:
    made = plain_error(raised(error))
    assert made is not error
    assert str(made) == (text or clean(str(error)))
    assert isinstance(made, type(error))
    assert (type(made).__name__, type(made).__module__) == (type(error).__name__, type(error).__module__)
    "".join(traceback.format_exception(made)).encode()
    repr(made).encode()
    assert str(pickle.loads(pickle.dumps(made))) == f"{type(error).__name__}: {made}"


def test_a_stand_in_keeps_traceback_causes_notes_and_attributes() -> None:
    cause, error = KeyError("cause"), Refused(5, name=NAME)
    error.add_note(f"while reading {NAME}")
    try:
        raise error from cause
    except Refused as caught:
        made: Any = plain_error(caught)
    assert (made.__cause__, made.__suppress_context__, made.code) == (cause, True, 5)
    assert made.__traceback__ is error.__traceback__
    assert made.__notes__ == ["while reading caf\ufffd.txt"]
    told = "".join(traceback.format_exception(made))
    assert "direct cause" in told
    assert told.count("Refused: caf") == 1


def test_ten_megabytes_of_text_are_cut_and_say_so() -> None:
    made = plain_error(ValueError("x" * 10_000_000))
    assert len(str(made)) == ERROR_LIMIT
    assert str(made).endswith("x… [cut: it has 10,000,000 characters]")
    assert error_text(made) == str(made)
