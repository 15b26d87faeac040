"""Runs a command that must not outlive its parent: `leash.py <parent pid> <signal> <umask> <command> ...`.

A supervisor or worker that is killed with SIGKILL cannot stop its children. On Linux a process can ask the kernel for a
signal at its parent's death and keeps that wish across exec, so this file asks and becomes the command. It does so in a
process group of its own: a Ctrl-C in the terminal is for the parent to judge. It is run by path in an isolated
interpreter and imports nothing of the package: it costs 10 ms.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def leashed(command: list[str] | tuple[str, ...], signum: signal.Signals, *, umask: int | None = None) -> list[str]:
    """The command that runs this one as a child of this process, which gets this signal at this process's death.

    With a umask it has that one instead of this process's.

    It may get the signal several times: to the kernel a parent is a thread, and those of a process die one by one. For
    the same reason it is to be started from the main thread.
    """
    mask = "-" if umask is None else f"{umask:o}"
    return [sys.executable, "-IS", os.path.abspath(__file__), str(os.getpid()), str(int(signum)), mask, *command]


def main() -> None:
    """Ask for the signal at the parent's death, then become the command."""
    parent, signum, mask, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    if mask != "-":
        os.umask(int(mask, 8))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
