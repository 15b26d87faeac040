"""Several processes write to one terminal: each line says whose it is, and nothing that a job prints may drive the
terminal (colours, titles, moved cursors), because what a job prints may come from anywhere."""

import sys
from asyncio import StreamReader
from typing import TextIO

LONGEST_LINE = 64 * 1024
COLOURS = (36, 35, 33, 32, 34)  # cyan, magenta, yellow, green, blue
# Everything that drives a terminal is shown as what it is.
VISIBLE = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) != "\t"}


class Console:
    """Where lines go, each behind the name of who wrote it."""

    def __init__(self, names: tuple[str, ...], *, colour: bool, stream: TextIO | None = None) -> None:
        self._width = max(map(len, names), default=0)
        self._colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
        self._colour = colour
        self._stream = stream or sys.stdout

    def line(self, name: str, text: str) -> None:
        """Print one line of somebody."""
        prefix = f"{name:<{self._width}} |"
        if self._colour and name in self._colours:
            prefix = f"\033[{self._colours[name]}m{prefix}\033[0m"
        self._print(f"{prefix} {text.translate(VISIBLE)}")

    def say(self, text: str) -> None:
        """Print text of the supervisor itself."""
        self._print(text)

    async def copy(self, name: str, output: StreamReader) -> None:
        """Print what a process writes, line by line, until it closes its output."""
        rest = b""
        while chunk := await output.read(LONGEST_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self.line(name, line.rstrip(b"\r").decode(errors="replace"))
        if rest:
            self.line(name, rest.decode(errors="replace"))

    def _print(self, text: str) -> None:
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):  # nobody reads any more: no reason to stop what runs
            pass
