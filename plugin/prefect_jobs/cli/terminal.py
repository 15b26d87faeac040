"""What reaches the terminal. Names, messages and log lines are written by whoever writes a job: they may hold escape
sequences that repaint the screen, move the cursor or fake a line, so no text of a server is printed before it is plain.
Of what a job logs its colours may stay, on a terminal: they are read, and drawn anew.
"""

import json
import os
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_KEPT = "\n\t"
# Control, format (direction marks, zero-width characters), surrogates, line and paragraph separators.
_UNFIT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_COLOUR = re.compile(r"\x1b\[([0-9;]*)m")
# What a terminal takes for one command: introducer, parameters, end. Strings (titles, links) only with their end, so
# that none takes away what follows it.
_COMMAND = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
_JOINER = "\u200d"  # zero-width joiner: holds emoji together, and can do no harm


def plain(text: str, *, one_line: bool = True) -> str:
    """The text without anything that a terminal obeys; line breaks and tabs become blanks, or stay if wanted."""
    if text.isascii() and text.isprintable():
        return text
    text = _COMMAND.sub("", text)
    kept = "".join(
        character if character in _KEPT or character == _JOINER or unicodedata.category(character) not in _UNFIT else ""
        for character in text
    )
    return " ".join(kept.split()) if one_line else kept


def coloured(text: str) -> "Text":
    """A text with the colours that it gives itself, and nothing else that a terminal obeys; line breaks stay.

    Whether they are drawn is the console's affair. Hidden and blinking text is shown as any other.
    """
    from rich.style import Style
    from rich.text import Text

    # Every second part of the split is what stands between the brackets of a colour.
    parts = _COLOUR.split(text)
    if len(parts) == 1:
        return Text(plain(text, one_line=False))
    kept = [f"\x1b[{part}m" if at % 2 else plain(part, one_line=False) for at, part in enumerate(parts)]
    drawn = Text()
    for number, line in enumerate("".join(kept).split("\n")):
        read = Text.from_ansi(line, end="")
        drawn.append("\n" if number else "")
        start = len(drawn)
        drawn.append(read.plain)
        for span in read.spans:
            if isinstance(style := span.style, Style):
                seen = Style(
                    color=style.color, bgcolor=style.bgcolor, bold=style.bold, dim=style.dim, italic=style.italic,
                    underline=style.underline, reverse=style.reverse, strike=style.strike,
                )  # fmt: skip
                drawn.stylize(seen, start + span.start, start + span.end)
    return drawn


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
