"""The watch over one attempt of a job: the protocol by which it is stopped, and what is made of every end.

The order of things is the protocol. Before anything is killed, its processes are frozen, the run is read again, and
the end is written; when somebody was faster or the server gives no clear answer, the processes go on and nothing is
killed. A state is only ever written for the attempt that is watched.
"""

import os
import select
import time

from prefect_jobs.report_names import KIT_LABEL, RECEIPT_LABEL
from prefect_jobs.sidecar.adapter_line import AdapterLine
from prefect_jobs.sidecar.http_call import HttpApi, Refused, Unclear
from prefect_jobs.sidecar.orders import INTERRUPTED, RAISED, REPORTED, RETURNED, RUNNING, STOPPED, Orders, read_phase
from prefect_jobs.sidecar.page import NOT_OURS, STOP, Page, StopRequest
from prefect_jobs.sidecar.receipt import Receipt, epoch, find_receipt, with_receipt, without_receipt
from prefect_jobs.sidecar.run_api import TERMINAL, Overtaken, RunApi, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefect_jobs.sidecar.process_tree import ProcessTree
    from prefect_jobs.sidecar.receipt import Process

LOOK_EVERY = 1.0
"""Seconds between two looks at Prefect when nobody wakes us."""
LOOK_ANYWAY = 20.0
"""The same when the adapter will: it may be wrong."""
LOOK_AFTER_END = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Seconds between the looks after the body's end; the last is repeated."""
LOOK_WHILE_WAITING = 5.0
"""The same while the job waits in its process for its next attempt."""
REMEMBER_EVERY = 1.0
"""Seconds between two looks at the job's processes. What left the family since, unmarked, outlives a crash unseen."""
LONGEST_PAUSE = 5.0
"""Seconds between two tries while Prefect gives no clear answer."""
RENEW_EVERY = 120.0
"""Seconds after which the server is told again that the job is being stopped; shorter where its patience is."""
ENGINE_WRITES_WITHIN = 3.0
"""Seconds in which Prefect's engine writes the state that a stopped body returned."""
RUNNER_REPORTS_WITHIN = 2.0
"""Seconds in which whoever started a process that died may say so first, with its hooks."""
REPORT_WITHIN = 120.0
"""Seconds after the job's death in which its end is written, if the server is away so long."""
REPORTS_WITHIN = 10.0
"""Seconds in which a body that returned brings its result to the server, before its end is written without."""
LINGER = 10.0
"""Seconds in which the process of a stopped job is expected to end too; then it is killed, where it serves nobody
else."""

_OURS = ("Aborted", "TimedOut")
"""Names of ends that, of a body at work, nobody but a sidecar writes."""
_OF_THE_ENGINE = (STOPPED, INTERRUPTED)
"""Phases after which Prefect's engine, or whoever sent the signal, writes the end of a run that was to stop."""
AT_WORK = ("running", "retrying", "paused")
"""The adapter's words for a job that nobody wants to stop."""
LOST_PATIENCE = "Flow run cancellation timed out"
"""How the message begins of the Cancelled that Prefect's server writes by itself."""
CRASHED = "The job's process died"
FINISHED_FIRST = "It had finished before it could be stopped"


class Watch:
    """Watches one attempt until nothing is left to be done.

    Without a tree of processes it can ask a job to stop, and put its state right, but kill nothing.
    """

    def __init__(
        self, orders: Orders, page: Page, run: RunApi, line: AdapterLine, *, reports: int, tree: "ProcessTree | None"
    ) -> None:
        self._orders = orders
        self._page = page
        self._run = run
        self._line = line
        self._reports = reports
        self._tree = tree
        self._phase = RUNNING
        self._error: str | None = None
        self._phase_since = 0.0
        self._heard = b""
        self._listening = True
        self._known = "running"
        self._next_look = 0.0
        self._looks_after_end = 0
        self._failures = 0
        self._renew_at: float | None = None
        self._remember_at = 0.0
        self._waits_in = ""
        self._introduced = False
        self._asked: dict[str, float] = {}
        self._unsure = False
        self._over = False
        self._hurry = False

    @classmethod
    def of(cls, orders: Orders, page: Page, *, reports: int, tree: "ProcessTree | None") -> "Watch":
        """The watch that these orders ask for; `reports` is where the job tells how its body ended."""
        api = HttpApi(orders.api_url, orders.api_headers, trust=orders.trust)
        adapter = HttpApi(orders.adapter_url, orders.adapter_headers) if orders.adapter_url else None
        run = RunApi(api, orders.run_id, orders.attempt)
        return cls(orders, page, run, AdapterLine(adapter, orders.run_id), reports=reports, tree=tree)

    # -- what comes in ------------------------------------------------------------------------------------------------

    def hear(self, told: bytes) -> None:
        """Take in what the job told."""
        *lines, self._heard = (self._heard + told).split(b"\n")
        for line in lines:
            self._phase, self._error = read_phase(line)
            self._phase_since = self._next_look = time.monotonic()
            self._line.close()

    def hurry(self) -> None:
        """Wait for nobody any more: this process was asked to end."""
        self._hurry = True

    def run(self) -> bool:
        """Watch until the attempt is over; whether it is."""
        while not self._over:
            if self._wait():
                self._after_death()
                break
            now = time.monotonic()
            if self._tree is not None and now >= self._remember_at and self._phase == RUNNING:
                self._tree.remember()
                self._remember_at = now + REMEMBER_EVERY
            deadline = self._orders.deadline
            if self._tree is not None and deadline is not None and now >= deadline and self._phase == RUNNING:
                self._try(self._time_out)
            elif now >= self._next_look:
                self._try(self.look)
        self._line.close()
        return self._over

    def _wait(self) -> bool:
        """Wait until something happens; whether the job is dead."""
        poll = select.poll()
        if self._listening:
            poll.register(self._reports, select.POLLIN)
        if self._tree is not None:
            poll.register(self._orders.pidfd, select.POLLIN)
        if self._phase == RUNNING:
            self._line.ask(self._known)
            if self._line.open:
                poll.register(self._line.fileno(), select.POLLIN)
            else:
                self._next_look = min(self._next_look, time.monotonic() + LOOK_EVERY)
        ready = {descriptor for descriptor, _ in poll.poll(max(0.0, self._wake_at() - time.monotonic()) * 1000)}
        if self._listening and self._reports in ready:
            self._listen()
        if self._line.open and self._line.fileno() in ready:
            state = self._line.answer()
            if state in AT_WORK:
                self._known = state
            elif state is not None and state != self._known:
                self._next_look = 0.0
        return self._tree is not None and self._orders.pidfd in ready

    def _wake_at(self) -> float:
        moments = [self._next_look]
        if self._phase == RUNNING and self._tree is not None:
            moments.append(self._remember_at)
            if self._orders.deadline is not None and not self._failures:
                moments.append(self._orders.deadline)
        return min(moments)

    def _listen(self) -> None:
        """Hear everything that the job has told so far."""
        while self._listening and select.select([self._reports], [], [], 0)[0]:
            told = os.read(self._reports, 65536)
            if told:
                self.hear(told)
            else:  # the job closed its end
                self._listening = False
                self._over = self._over or self._tree is None

    def _try(self, action: "Callable[[], None]") -> None:
        """Do what needs the server; while it gives no clear answer, try again with growing pauses."""
        try:
            action()
            self._failures = 0
        except Overtaken:
            self._next_look = time.monotonic() + LOOK_AFTER_END[0]
        except (Unclear, Refused):
            self._failures += 1
            self._next_look = time.monotonic() + min(LONGEST_PAUSE, 0.25 * 2 ** min(self._failures, 8))

    # -- looking ------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Look once at the run, and do what its state asks for. Raises `Unclear`, `Refused` and `Overtaken`."""
        state = self._run.read()
        self._schedule_next_look()
        if state is None:  # the run was deleted: there is nothing left to be right about
            self._over = True
            return
        if not self._introduced:
            # Not the job's own business: one that is stuck in C code from its first line on says nothing.
            self._run.label(KIT_LABEL, "1")
            self._introduced = True
        if state.run_count != self._run.attempt and not self._was_resumed(state):
            self._let_go()
        elif state.terminal:
            self._saw_an_end(state)
        elif state.type == "CANCELLING":
            self._saw_a_wish(state)
        elif state.type == "SCHEDULED" and self._phase == RAISED:
            self._waits_in = state.id
        elif state.type in ("SCHEDULED", "PENDING") and self._phase == RUNNING:
            self._let_go()

    def _schedule_next_look(self) -> None:
        if self._phase == RUNNING:
            pause = LOOK_ANYWAY if self._line.open else LOOK_EVERY
        elif self._waits_in:
            pause = LOOK_WHILE_WAITING
        else:
            pause = LOOK_AFTER_END[min(self._looks_after_end, len(LOOK_AFTER_END) - 1)]
            self._looks_after_end += 1
        self._next_look = time.monotonic() + pause

    def _was_resumed(self, state: State) -> bool:
        """Whether a higher count is still this attempt: one that was paused and goes on is counted again."""
        if any(past.type in ("SCHEDULED", "PENDING") or past.type in TERMINAL for past in self._of_this_attempt()):
            return False
        self._run.attempt = state.run_count
        return True

    def _of_this_attempt(self) -> list[State]:
        """The states that followed the one in which the body began."""
        history = self._run.history()
        ids = [past.id for past in history]
        return history[ids.index(self._orders.state_id) + 1 :] if self._orders.state_id in ids else history

    def _let_go(self) -> None:
        """The run is somebody else's: another attempt of it begins or has begun."""
        if self._phase == RUNNING:
            now = time.time()
            self._page.raise_flag(StopRequest("Another attempt of this job began", now, now), NOT_OURS)
        self._page.settle()
        self._over = True

    def _saw_an_end(self, state: State) -> None:
        if self._phase == RUNNING and self._tree is not None and self._is_unfinished(state):
            self._finish_kill(state)
        elif self._phase == RUNNING and state.type == "CANCELLED" and state.message.startswith(LOST_PATIENCE):
            self._insist(state)
        elif self._phase == RUNNING:
            # Somebody ended the run although its body goes on. It stops, and only a cancellation gets its receipt.
            self._ask_to_stop(state, STOP if state.type == "CANCELLED" else NOT_OURS)
        elif self._phase == STOPPED and self._tree is not None and time.monotonic() < self._phase_since + LINGER:
            self._page.settle()
            self._next_look = self._phase_since + LINGER  # its death comes first
        elif self._phase == STOPPED and self._tree is not None and self._orders.alone:
            self._tree.freeze()
            self._add_to_receipt(state, self._tree.kill(), time.time())
        else:
            self._page.settle()
            self._over = True

    def _is_unfinished(self, state: State) -> bool:
        """Whether the run's end is ours, and the server went before it was clear that we may kill."""
        return (self._unsure or state.name in _OURS) and find_receipt(state.message) is None

    def _insist(self, ended: State) -> None:
        """Say again what was wished: the server could not be told in time, and says Cancelled of a job at work."""
        wishes = [past for past in self._of_this_attempt() if past.type == "CANCELLING"]
        for wish in wishes:
            self._asked.setdefault(wish.name, epoch(wish.timestamp))
        last = wishes[-1] if wishes else ended
        self._run.write(ended, "CANCELLING", last.name if wishes else "Stopping", last.message, force=True)
        raise Overtaken  # by ourselves: look again, at the new state

    def _saw_a_wish(self, state: State) -> None:
        self._known = {"Stopping": "stopping", "Aborting": "aborting"}.get(state.name, "cancelling")
        if self._phase != RUNNING:
            self._learn_of_waiting()
            self._settle(state)
            return
        self._asked.setdefault(state.name, epoch(state.timestamp))
        self._renew(state)
        if state.name == "Aborting" and self._tree is not None:
            self._kill(state, self._wish(state), cause="asked")
        else:
            self._ask_to_stop(state, STOP)

    def _learn_of_waiting(self) -> None:
        """Whether a body that failed was to begin again, which its run may say no more: it was cancelled meanwhile."""
        if self._phase == RAISED and not self._waits_in:
            waiting = [past.id for past in self._of_this_attempt() if past.type == "SCHEDULED"]
            self._waits_in = waiting[-1] if waiting else ""

    def _ask_to_stop(self, state: State, flag: int) -> None:
        if not self._page.flag:
            self._page.raise_flag(self._wish(state), flag)

    def _wish(self, state: State) -> StopRequest:
        """The wish that a state stands for, asked when it was said first. The server's clock may be ahead of ours."""
        asked = self._asked.get(state.name, epoch(state.timestamp))
        return StopRequest(without_receipt(state.message) or state.name, asked, max(asked, time.time()))

    def _renew(self, state: State) -> None:
        """Say again that the job is being stopped: the server loses patience with a run that says so for long."""
        if state.name not in ("Stopping", "Aborting"):
            return  # it is Prefect's own, which acts each time that it is said
        if self._renew_at is None:
            patience = min(RENEW_EVERY, 0.4 * self._run.cancelling_timeout())
            self._renew_at = time.monotonic() + max(0.0, patience - max(0.0, time.time() - epoch(state.timestamp)))
        if time.monotonic() < self._renew_at:
            self._next_look = min(self._next_look, self._renew_at)
            return
        self._renew_at = None
        self._run.write(state, state.type, state.name, state.message, force=True)
        raise Overtaken  # by ourselves: look again, at the new state

    # -- ending -------------------------------------------------------------------------------------------------------

    def _time_out(self) -> None:
        state = self._run.read()
        if state is None or state.terminal or state.run_count != self._run.attempt:
            self._orders.deadline = None  # what else there is to say about it, the next look says
            return
        limit, deadline = self._orders.limit or 0.0, self._orders.deadline or 0.0
        now = time.time()
        due = now - (time.monotonic() - deadline)
        self._kill(state, StopRequest(f"Job timed out after {limit:g} seconds", due, now), cause="due")

    def _kill(self, state: State, request: StopRequest, *, cause: str) -> None:
        """End the job by force: freeze, write, kill, prove, and write what happened."""
        assert self._tree is not None, "expected a job in a process of its own"
        self._tree.freeze()
        self._listen()
        if self._phase != RUNNING and cause == "due":
            self._tree.thaw()
            return
        type, name, how = self._ending(state, timed_out=cause == "due")
        message = self._message(request.message, how)
        try:
            written = self._run.write(state, type, name, message, force=True)
        except (Overtaken, Unclear, Refused) as error:
            self._unsure = isinstance(error, Unclear)
            self._tree.thaw()
            raise
        self._kill_and_prove(written, request, how, cause)

    def _finish_kill(self, written: State) -> None:
        """Kill what was to be killed when the server went: the end is written, and must be no other one's."""
        assert self._tree is not None, "expected a job in a process of its own"
        cause = "due" if written.name == "TimedOut" else "asked"
        request = self._wish(written)
        if "Aborting" in self._asked:
            request.asked = self._asked["Aborting"]
        ends = [past for past in self._of_this_attempt() if past.terminal and past.name != written.name]
        if ends:
            self._run.write(written, ends[-1].type, ends[-1].name, ends[-1].message, force=True)
            raise Overtaken
        self._tree.freeze()
        self._listen()
        try:
            now = self._run.read()
        except (Unclear, Refused):
            self._tree.thaw()
            raise
        if self._phase != RUNNING or now is None or now.id != written.id:
            self._tree.thaw()
            raise Overtaken
        self._kill_and_prove(written, request, "killed", cause)

    def _kill_and_prove(self, written: State, request: StopRequest, how: str, cause: str) -> None:
        assert self._tree is not None, "expected a job in a process of its own"
        killed = self._tree.kill()
        receipt = self._receipt(request, how, killed, cause=cause)
        self._write_receipt(written, with_receipt(written.message, receipt))
        self._over = True

    def _receipt(
        self, request: StopRequest, how: str, killed: "Sequence[Process]" = (), *, cause: str = "asked"
    ) -> Receipt:
        """The receipt of a stop that is over now."""
        left = self._tree.left if self._tree is not None else ()
        return Receipt(request.asked, request.delivered, time.time(), how, killed, left=left, cause=cause)

    def _ending(self, state: State, *, timed_out: bool = False) -> tuple[str, str, str]:
        """What the run becomes, and the receipt's word for it: what its body did counts, not what was wished."""
        if self._phase in (RETURNED, REPORTED):
            return "COMPLETED", "Completed", "finished"
        if self._phase == RAISED and not self._waits_in:
            return "FAILED", "Failed", "failed"
        how = "stopped" if self._phase == STOPPED else "killed"
        if state.type != "CANCELLING" and timed_out:
            return "FAILED", "TimedOut", how
        return "CANCELLED", "Aborted" if state.name == "Aborting" and self._phase == RUNNING else "Cancelled", how

    def _message(self, request: str, how: str) -> str:
        if how == "failed":  # in the words of Prefect's engine, which readers of states know
            return f"Flow run encountered an exception: {self._error or 'unknown'}"
        return f"{request}. {FINISHED_FIRST}" if how == "finished" else request

    def _settle(self, state: State) -> None:
        """End a run whose body ended while it was asked to stop: Prefect refuses every end but Cancelled then."""
        if self._phase in _OF_THE_ENGINE and time.monotonic() < self._phase_since + ENGINE_WRITES_WITHIN:
            return
        if self._phase == RETURNED and time.monotonic() < self._phase_since + REPORTS_WITHIN:
            return  # nobody is to read Completed before the result
        request = self._page.request() or self._wish(state)
        type, name, how = self._ending(state)
        if how == "killed" and self._waits_in and self._tree is not None and self._orders.alone:
            # Prefect lets a process that waits for its next attempt begin it after the end.
            self._kill(state, request, cause="asked")
            return
        receipt = self._receipt(request, "stopped" if how == "killed" else how)
        message = with_receipt(self._message(request.message, how), receipt)
        self._run.write(state, type, name, message, force=type != "CANCELLED")
        self._page.settle()

    def _write_receipt(self, written: State, message: str) -> None:
        """Write a state again, now with its receipt; the server may be away for a while."""
        give_up = time.monotonic() + REPORT_WITHIN
        pause = 0.1
        while time.monotonic() < give_up:
            try:
                self._run.write(written, written.type, written.name, message, force=True)
                return
            except (Overtaken, Refused):
                return
            except Unclear:
                if self._hurry:
                    return
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    # -- after the job's death ----------------------------------------------------------------------------------------

    def _after_death(self) -> None:
        """Kill what the job left behind, and say how it ended unless somebody has."""
        self._line.close()
        self._listen()
        died = time.time()
        killed: Sequence[Process] = ()
        if self._phase in (RUNNING, INTERRUPTED, STOPPED) and self._tree is not None:
            self._tree.freeze()
            killed = self._tree.kill()
        began = time.monotonic()
        pause = 0.05
        while time.monotonic() < began + REPORT_WITHIN and not self._over:
            try:
                self._report_death(died, killed, patience=began + RUNNER_REPORTS_WITHIN - time.monotonic())
            except Overtaken:
                pause = 0.05
            except (Unclear, Refused):
                pause = min(2 * pause, LONGEST_PAUSE)
            if self._hurry:
                self._over = True
            if not self._over:
                time.sleep(pause)
        self._over = True

    def _report_death(self, died: float, killed: "Sequence[Process]", *, patience: float) -> None:
        state = self._run.read()
        if state is None or state.run_count != self._run.attempt:
            self._over = True
            return
        waited = state.id == self._waits_in  # for its next attempt, in the process that is dead
        if state.type in ("SCHEDULED", "PENDING") and not waited:
            self._over = True
            return
        if state.terminal:
            self._add_to_receipt(state, killed, died)
            return
        wished = state.type == "CANCELLING"
        if wished:
            self._learn_of_waiting()
        if patience > 0 and not self._hurry and not (wished and state.name in ("Stopping", "Aborting")):
            return
        if waited or (self._phase in (RUNNING, INTERRUPTED) and not wished):
            message = with_receipt(CRASHED, self._receipt_of_death(died, killed))
            self._run.write(state, "CRASHED", "Crashed", message, force=False)
        else:
            type, name, how = self._ending(state)
            request = self._page.request() or (self._wish(state) if wished else None)
            message = self._message(request.message if request else "", how)
            if request is not None:
                how = "ended" if how == "killed" else how
                message = with_receipt(message, self._receipt(request, how, killed))
            self._run.write(state, type, name, message, force=type != "CANCELLED")
        self._over = True

    def _receipt_of_death(self, died: float, killed: "Sequence[Process]") -> Receipt:
        return self._receipt(StopRequest(CRASHED, died, died), "ended", killed, cause="died")

    def _add_to_receipt(self, state: State, killed: "Sequence[Process]", died: float) -> None:
        """Name what a job left behind that stopped by itself, or whose death was told by somebody else."""
        request = self._page.request()
        if killed and self._phase == STOPPED and request is not None and state.type == "CANCELLED":
            message = with_receipt(state.message, self._receipt(request, "stopped", killed))
            self._run.write(state, state.type, state.name, message, force=True)
        elif state.type == "CRASHED" and self._phase in (RUNNING, INTERRUPTED):
            # Not into the state: in this moment a worker may give the run back to the queue.
            self._run.label(f"{RECEIPT_LABEL}.{state.id}", self._receipt_of_death(died, killed).text())
        self._over = True
