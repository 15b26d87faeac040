"""A realistic past of an installation, made up: what a million runs look like when people use them for three months.

Figures about a million equal rows say little: text search depends on how common a word is, filters on how many jobs
they leave, sorting on ties. So a few types are common and most are rare, days have busy hours, most runs are short and
some are endless, errors carry ids and paths of their own. The same seed and moment give the same runs, in order of
their creation, in whatever process asks.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from prefect_jobs.gateway.runs import Progress, Run, RunState
from prefect_jobs.report_names import KIT_LABEL, PROGRESS_LABEL, RESULT_LABEL

TYPES = (
    "export",
    "thumbnails",
    "re_evaluation",
    "sync_cameras",
    "cleanup",
    "batch_audit",
    "import",
    "face_index",
    "backup",
    "transcode",
    "daily_report",
    "retention",
)
"""Most common first: the second is half as common as the first, the third a third."""
DAYS = 90
FAILED = 0.08
"""Share of the ended that failed, a quarter of them cancelled."""
RETRIED = 0.02
OPEN = 0.0002
"""Share that is late or at work in spite of its age, half of each. A machine works on a few dozen jobs at a time, and
the adapter reads each job at work, and its log, from Prefect every few seconds."""
AHEAD = 0.0015
"""Share that a schedule prepared for the days to come."""
CHUNK = 10_000
CAMERAS = tuple(
    f"{place}-{number}"
    for place in ("front", "yard", "garage", "gate", "roof", "hall", "lobby", "dock")
    for number in range(1, 6)
)
_HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 11, 12, 11, 10, 8, 6, 5, 4, 4, 3, 8], dtype=float)
_ADJECTIVES = ("brave", "calm", "dark", "eager", "fancy", "gentle", "happy", "icy", "jolly", "keen", "lucky", "misty")
_ANIMALS = ("otter", "lynx", "heron", "gecko", "bison", "crane", "dingo", "ferret", "ibex", "koala", "marmot", "newt")


@dataclass(frozen=True, slots=True)
class SampleRun:
    """One made-up run, as the gateway would read it, with its states, oldest first."""

    run: Run
    states: tuple[RunState, ...]
    labels: dict[str, str]


def sample_runs(count: int, *, seed: int, now: datetime) -> Iterator[list[SampleRun]]:
    """So many runs by their creation, some thousand at a time."""
    numbers = np.random.default_rng(seed)
    ahead = int(count * AHEAD)
    day = numbers.integers(0, DAYS, count)
    hour = numbers.choice(24, count, p=_HOURS / _HOURS.sum())
    within = numbers.integers(0, 3_600_000_000, count)
    first = (now - timedelta(days=DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    # Those of the last hours of today have not been made yet: they go to the day before the first.
    created = (day * 24 + hour) * 3_600_000_000 + within + 86_400_000_000
    created[created >= (now - first) // timedelta(microseconds=1)] %= 86_400_000_000
    created.sort()
    weights = 1 / np.arange(1, len(TYPES) + 1)
    kinds = numbers.choice(len(TYPES), count, p=weights / weights.sum())
    waits = numbers.lognormal(0.5, 0.8, count)
    lasts = numbers.lognormal(3.2, 1.4, count) * (1 + kinds % 4)
    fates = numbers.random(count)
    retried = numbers.random(count) < RETRIED
    deployments = deployment_ids(seed)
    for start in range(0, count, CHUNK):
        maker = _Maker(random.Random(f"{seed}/{start}"), deployments, now)
        yield [
            maker.scheduled_ahead(TYPES[kinds[number]])
            if number >= count - ahead
            else maker.past(
                TYPES[kinds[number]],
                first + timedelta(microseconds=int(created[number])),
                wait=float(waits[number]),
                lasts=float(lasts[number]),
                fate=float(fates[number]),
                retried=bool(retried[number]),
            )
            for number in range(start, min(start + CHUNK, count))
        ]


class _Maker:
    """Draws the details of one run after another."""

    def __init__(self, dice: random.Random, deployments: dict[str, str], now: datetime) -> None:
        self._dice = dice
        self._deployments = deployments
        self._now = now

    def _base(self, kind: str) -> dict[str, Any]:
        dice = self._dice
        return {
            "id": made_up_id(dice),
            "name": f"{dice.choice(_ADJECTIVES)}-{dice.choice(_ANIMALS)}",
            "flow_name": kind,
            "deployment_id": self._deployments[kind],
            "parameters": self._parameters(kind),
        }

    def past(self, kind: str, created: datetime, *, wait: float, lasts: float, fate: float, retried: bool) -> SampleRun:
        """A run of that time, as it stands now."""
        base = self._base(kind) | {"created_at": created}
        if fate < OPEN / 2:
            return self._waiting(base, created)
        scheduled = self._state("SCHEDULED", "Scheduled", created, scheduled_for=created)
        pending = self._state("PENDING", "Pending", created + timedelta(seconds=wait * 0.6))
        began = created + timedelta(seconds=wait)
        if began >= self._now:
            return _sample(base, [scheduled], scheduled_for=created)
        states = [scheduled, pending, self._state("RUNNING", "Running", began)]
        attempt = 1
        if retried:
            failed = began + timedelta(seconds=lasts / 3)
            waits = self._state(
                "SCHEDULED",
                "AwaitingRetry",
                failed,
                scheduled_for=failed + timedelta(seconds=10),
                message=self._error(),
            )
            again = failed + timedelta(seconds=10.2)
            if again < self._now:
                states += [waits, self._state("RUNNING", "Retrying", again)]
                began, attempt = again, 2
        ended = began + timedelta(seconds=lasts)
        about = base | {"started_at": began, "run_count": attempt, "uses_kit": kind != "transcode"}
        if ended >= self._now or fate > 1 - OPEN / 2:
            return self._at_work(about, states, attempt)
        return self._ended(kind, about, states, attempt, ended, fate)

    def _waiting(self, base: dict[str, Any], created: datetime) -> SampleRun:
        due = created + timedelta(seconds=5)
        states = [self._state("SCHEDULED", "Scheduled", created, scheduled_for=due)]
        if due + timedelta(seconds=20) < self._now:
            states.append(self._state("SCHEDULED", "Late", due + timedelta(seconds=20), scheduled_for=due))
        return _sample(base, states, scheduled_for=due)

    def scheduled_ahead(self, kind: str) -> SampleRun:
        """A run that a schedule prepared today for one of the next days."""
        created = self._now - timedelta(seconds=self._dice.uniform(5, 3_000))
        due = self._now + timedelta(seconds=self._dice.uniform(7_200, 500_000))
        base = self._base(kind) | {"created_at": created, "scheduled_by_prefect": True}
        state = self._state("SCHEDULED", "Scheduled", created, scheduled_for=due)
        return _sample(base, [state], scheduled_for=due)

    def _at_work(self, about: dict[str, Any], states: list[RunState], attempt: int) -> SampleRun:
        if not about["uses_kit"]:
            return _sample(about, states)
        total = self._dice.randrange(100, 5_000)
        done = self._dice.randrange(total)
        report = {
            "percent": done * 100 // total,
            "message": f"Processing event {done}/{total}",
            "attempt": attempt,
            "at": (self._now - timedelta(seconds=self._dice.uniform(1, 50))).isoformat(),
        }
        about |= {"progress": Progress.parse(report)}
        return _sample(about, states, {KIT_LABEL: "1", PROGRESS_LABEL: json.dumps(report)})

    def _ended(
        self, kind: str, about: dict[str, Any], states: list[RunState], attempt: int, ended: datetime, fate: float
    ) -> SampleRun:
        labels = {KIT_LABEL: "1"} if about["uses_kit"] else {}
        if fate > OPEN / 2 + FAILED:
            states.append(self._state("COMPLETED", "Completed", ended))
            if about["uses_kit"]:
                result = self._result(kind, about["created_at"])
                about |= {"result": result, "has_result": True}
                labels[RESULT_LABEL] = json.dumps({"attempt": attempt, "result": result})
        elif fate > FAILED * 0.25:
            message = f"Flow run encountered an exception: {self._error()}"
            states.append(self._state("FAILED", "Failed", ended, message=message))
        elif fate > FAILED * 0.05:
            states.append(self._state("CANCELLED", "Cancelled", ended))
        else:
            states.append(self._state("CRASHED", "Crashed", ended, message="Process exited with status code -9"))
        return _sample(about | {"ended_at": ended}, states, labels)

    def _state(self, type_: str, name: str, at: datetime, **more: Any) -> RunState:
        return RunState(made_up_id(self._dice), type_, name, at, **more)

    def _parameters(self, kind: str) -> dict[str, Any]:
        dice = self._dice
        match kind:
            case "export":
                return {"format": dice.choice(("csv", "csv", "json", "zip")), "camera_id": dice.choice(CAMERAS)}
            case "cleanup" | "retention":
                return {"older_than_days": dice.choice((7, 14, 30, 90))}
            case "backup" | "daily_report":
                return {"target": f"/srv/{kind}/{dice.choice(('nas', 'vault', 'local'))}"}
            case "import":
                return {"path": f"/srv/incoming/{dice.getrandbits(32):08x}.csv"}
            case _:
                return {"camera_id": dice.choice(CAMERAS), "limit": dice.choice((100, 500, 1000, 5000))}

    def _result(self, kind: str, created: datetime) -> Any:
        dice = self._dice
        count = dice.randrange(1, 20_000)
        match kind:
            case "export":
                name = f"{created:%Y-%m-%d}/events-{dice.getrandbits(32):08x}.csv"
                return {"file_path": f"/srv/exports/{name}", "event_count": count}
            case "backup":
                name = f"{created:%Y%m%d-%H%M}-{dice.getrandbits(24):06x}.tar.zst"
                return {"file_path": f"/srv/backups/{name}", "bytes": count * 4096}
            case "cleanup" | "retention":
                return {"removed": count, "freed_bytes": count * 2048}
            case "daily_report":
                return f"{count} events, {count // 50} of them of high risk"
            case _:
                return {"processed": count, "summary": f"{count} events of {dice.choice(CAMERAS)}"}

    def _error(self) -> str:
        dice = self._dice
        number = dice.getrandbits(32)
        match number % 8:
            case 0:
                path = f"/srv/media/{number:08x}.mp4"
                return f"FileNotFoundError: [Errno 2] No such file or directory: '{path}'"
            case 1:
                return f"TimeoutError: camera {dice.choice(CAMERAS)} did not answer within {number % 60 + 5} s"
            case 2:
                return f"ValueError: event {made_up_id(dice)} has no frame {number % 3000}"
            case 3:
                return f"OperationalError: database is locked (attempt {number % 5 + 1}, page {number % 99_991})"
            case 4:
                return f"OSError: [Errno 28] No space left on device: '/srv/exports/part-{number:08x}.tmp'"
            case 5:
                return f"ConnectionRefusedError: [Errno 111] camera-{number % 300}:{8000 + number % 90} refused"
            case 6:
                return f"MemoryError: cannot hold {number % 900 + 100} MB for a tile of {number % 4096} pixels"
            case _:
                return f"KeyError: 'detection_{number:08x}'"


def deployment_ids(seed: int) -> dict[str, str]:
    """The id of each type's deployment."""
    return {name: made_up_id(random.Random(f"{seed}/deployment/{name}")) for name in TYPES}


def _sample(
    about: dict[str, Any], states: list[RunState], labels: dict[str, str] | None = None, **more: Any
) -> SampleRun:
    last = states[-1]
    run = Run(
        **about,
        **more,
        state_type=last.type,
        state_name=last.name,
        state_id=last.id,
        state_message=last.message,
    )
    return SampleRun(run, tuple(states), labels or {})


def made_up_id(dice: random.Random) -> str:
    """A UUID of version 4 that these dice draw."""
    text = f"{dice.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def default_moment() -> datetime:
    """The beginning of this hour: two commands one after another make the same runs."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
