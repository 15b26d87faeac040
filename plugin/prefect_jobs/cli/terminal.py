"""What reaches the terminal. Names, messages and log lines are written by whoever writes a job: they may hold escape
sequences that repaint the screen, move the cursor or fake a line, so no text of a server is printed before it is plain.
"""

import json
import os
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_KEPT = "\n\t"
# Control, format (direction marks, zero-width characters), surrogates, line and paragraph separators.
_UNFIT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINER = "\u200d"  # zero-width joiner: holds emoji together, and can do no harm


def plain(text: str, *, one_line: bool = True) -> str:
    """The text without anything that a terminal obeys; line breaks and tabs become blanks, or stay if wanted."""
    if text.isascii() and text.isprintable():
        return text
    kept = "".join(
        character if character in _KEPT or character == _JOINER or unicodedata.category(character) not in _UNFIT else ""
        for character in text
    )
    return " ".join(kept.split()) if one_line else kept


def console(*, error: bool = False) -> "Console":
    """The console that tables are drawn on; without colours where there is no terminal or NO_COLOR is set."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # a terminal without UTF-8 shows question marks, not a traceback
    coloured = stream.isatty() and not os.environ.get("NO_COLOR")
    return Console(
        file=stream,
        stderr=error,
        color_system="auto" if coloured else None,
        markup=False,
        emoji=False,
        highlight=False,
    )


def print_json(value: Any) -> None:
    """One line of JSON. All but ASCII is escaped, so that no terminal obeys it and no encoding loses it."""
    print_text(json.dumps(value, separators=(",", ":"), default=str))


def print_text(text: str) -> None:
    """A line on standard output, whatever its encoding."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()
