"""Whether a running job was asked to stop: one byte that the job's checkpoints read and somebody else sets.

A checkpoint stands in the innermost loop of a job, so it may cost no more than looking at that byte. The byte lies in
memory that the job shares with whoever watches the job for it.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from mmap import mmap


class JobStopped(BaseException):
    """The job was asked to stop, and stops here.

    Not an `Exception`: a body that goes on after every error must not go on after this. Clean up in `finally`.
    """


class StopFlag:
    """The byte of one running job; anything but 0 asks it to stop, and all jobs that it calls."""

    __slots__ = ("_caller", "_memory")

    def __init__(self, memory: Sequence[int] | mmap, caller: "StopFlag | None" = None) -> None:
        self._memory = memory
        self._caller = caller

    @property
    def raised(self) -> bool:
        """Whether somebody asked."""
        return self._memory[0] != 0 or (self._caller is not None and self._caller.raised)


current_stop_flag: ContextVar[StopFlag | None] = ContextVar("prefect_jobs_stop_flag", default=None)
"""The flag of the run whose body is being executed, if any."""


def checkpoint() -> None:
    """Stop here when somebody asked the job to stop, otherwise go on.

    Put it where everything done so far may stay as it is: after an event, a file, a batch. It costs a fraction of a
    microsecond, and outside of a job it does nothing. It works in tasks too, as long as they run in threads; threads
    that you start yourself never stop here unless you start them with `contextvars.copy_context().run`.

    Raises:
        JobStopped: the job was asked to stop. Let it pass; what must be put right belongs into `finally`.
    """
    flag = current_stop_flag.get()
    if flag is not None and flag.raised:
        raise JobStopped
