"""Runs a command that must not outlive its parent: `leash.py <parent pid> <command> ...`.

A supervisor that is killed with SIGKILL cannot stop its children. On Linux a process can ask the kernel for a signal at
its parent's death and keeps that wish across exec, so this file asks and becomes the command. It is run by path in an
isolated interpreter and imports nothing of the package: it costs 10 ms.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for SIGTERM at the parent's death, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
