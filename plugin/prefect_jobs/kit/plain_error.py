"""What Prefect makes of an exception is its text in a state, and a text that it cannot send makes the run crash.

A name of a file that is no UTF-8 is enough, or an exception whose `__str__` raises; and a text of ten megabytes is sent
again with every look at the run. So an exception whose text cannot be stored as it is has a stand-in: of the same name,
a kind of the same class, with the same traceback, causes and notes.
"""

from typing import Any

from prefect_jobs.clean_text import shortened, text_of

ERROR_LIMIT = 64 * 1024
"""Characters of an exception's text that are kept."""


def error_text(error: BaseException) -> str:
    """The text of an exception, such as can be stored."""
    return shortened(text_of(error), ERROR_LIMIT)


def plain_error(error: Exception) -> Exception:
    """The error itself, where Prefect can store its text; else its stand-in."""
    text = error_text(error)
    try:
        if str(error) == text:
            return error
    except Exception:  # noqa: BLE001  the author's code; `text` says that it failed
        pass
    made = _stand_in(error, text)
    made.__cause__, made.__context__ = error.__cause__, error.__context__
    made.__suppress_context__ = error.__suppress_context__
    for note in getattr(error, "__notes__", ()):
        made.add_note(text_of(note))
    return made.with_traceback(error.__traceback__)


def _stand_in(error: Exception, text: str) -> Exception:
    kind = type(error)

    def told(_: object) -> str:
        return text

    def shown(_: object) -> str:
        return f"{kind.__name__}({text!r})"

    def reduced(_: object) -> tuple[Any, ...]:
        return RuntimeError, (f"{kind.__name__}: {text}",)  # a class made here is not found elsewhere

    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    methods: dict[str, Any] = {"__str__": told, "__repr__": shown, "__reduce__": reduced}
    try:
        made = type(kind.__name__, (kind,), names | methods)
        stand_in = made.__new__(made, *error.args)
        stand_in.__dict__.update(error.__dict__)
        stand_in.__dict__.pop("__notes__", None)  # the list itself would be shared
        return stand_in
    except Exception:  # noqa: BLE001  a class that is not made like others
        return type(kind.__name__, (Exception,), names | methods)(text)
