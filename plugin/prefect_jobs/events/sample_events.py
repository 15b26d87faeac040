"""Made-up events that look like a camera system's own, the same ones for the same count, seed and time.

They come in the order they happened, busier by day than by night, over the days before `now`. A million must take
seconds, so randomness is one `random()` per choice on tables built once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeVar

from prefect_jobs.events.risk_levels import level_of
from prefect_jobs.events.sample_scenes import CAMERAS, HOSTILE_TEXTS, NOTES, SCENES, SampleCamera, Scene
from prefect_jobs.iso_time import as_utc

EVENTS_PER_DAY = 3_000
FEWEST_DAYS = 14
HOSTILE_EVERY = 97
"""Every so-manieth event carries hostile text."""

# Events per hour of the day, relative to each other: asleep until five, busiest around noon and after work.
_RHYTHM = (2, 1, 1, 1, 1, 2, 4, 8, 10, 9, 8, 9, 11, 10, 8, 8, 10, 13, 12, 9, 7, 5, 4, 3)
_NIGHT_HOURS = frozenset((22, 23, 0, 1, 2, 3, 4, 5))

T = TypeVar("T")
Record = dict[str, Any]
Chance = Callable[[], float]
"""A number from 0 to 1, 1 excluded."""


@dataclass(frozen=True)
class SampleEvent:
    """One event and its detections, as records to insert."""

    event: Record
    detections: list[Record]


def sample_events(count: int, seed: int, *, now: datetime, first_id: int = 1) -> Iterator[SampleEvent]:
    """`count` events that ended before `now`, oldest first, with ids from `first_id`; detections have no id."""
    rnd = Random(seed).random
    now = as_utc(now)
    cameras = _by_share([(camera, camera.share) for camera in CAMERAS])
    scenes = {
        (camera.place, night): _by_share([(s, s.share[night]) for s in SCENES if camera.place in s.places])
        for camera in CAMERAS
        for night in (False, True)
    }
    for index, started in enumerate(_moments(count, rnd, now)):
        camera = _one(cameras, rnd)
        scene = _one(scenes[camera.place, started.hour in _NIGHT_HOURS], rnd)
        sample = _happening(first_id + index, camera, scene, started, now, rnd)
        if index % HOSTILE_EVERY == HOSTILE_EVERY // 2:
            _make_hostile(sample.event, index // HOSTILE_EVERY)
        yield sample


def _happening(
    event_id: int, camera: SampleCamera, scene: Scene, started: datetime, now: datetime, rnd: Chance
) -> SampleEvent:
    seconds = 4 + int(rnd() ** 3 * 170)
    ended = min(started + timedelta(seconds=seconds), now)
    detections = _detections(event_id, scene.objects, started, ended, rnd)
    words = {"place": camera.name, "seconds": seconds}
    luck = rnd()
    analysed, fast = luck > 0.03, luck > 0.9
    lowest, highest = scene.night_score if started.hour in _NIGHT_HOURS else scene.day_score
    score = lowest + int(rnd() * (highest - lowest + 1)) if analysed else None
    reviewed = analysed and rnd() < min(0.9, 0.1 + (now - started).days / 20)
    event: Record = {
        "id": event_id,
        "batch_id": f"{started:%Y%m%d-%H%M}-{camera.id}",
        "camera_id": camera.id,
        "started_at": started,
        "ended_at": ended if analysed or rnd() < 0.5 else None,
        "risk_score": score,
        "risk_level": None if score is None else level_of(score),
        "summary": _one(scene.summaries, rnd).format_map(words) if analysed else None,
        "reasoning": _one(scene.reasons, rnd).format_map(words) if analysed and not fast else None,
        "notes": _one(NOTES, rnd) if reviewed and rnd() < 0.1 else None,
        "reviewed": reviewed,
        "is_fast_path": fast,
        "object_types": ", ".join(sorted(scene.objects)) or None,
        "clip_path": f"clips/{camera.id}/{started:%Y/%m/%d}/{event_id}.mp4" if rnd() < 0.85 else None,
        "deleted_at": min(started + timedelta(days=rnd() * 20), now) if rnd() < 0.01 else None,
    }
    return SampleEvent(event, detections)


def _make_hostile(event: Record, turn: int) -> None:
    """Every hostile text in turn, in every text field in turn."""
    text, field = turn % len(HOSTILE_TEXTS), turn // len(HOSTILE_TEXTS)
    event[("summary", "reasoning", "notes")[field % 3]] = HOSTILE_TEXTS[text]


def _detections(event_id: int, objects: Sequence[str], started: datetime, ended: datetime, rnd: Chance) -> list[Record]:
    detections: list[Record] = []
    length = ended - started
    for object_type in objects:
        for _ in range(1 + int(rnd() ** 2 * 3)):
            width, height = 40 + int(rnd() * 360), 40 + int(rnd() * 480)
            detections.append(
                {
                    "event_id": event_id,
                    "object_type": object_type,
                    "confidence": round(0.5 + rnd() * 0.49, 3),
                    "detected_at": started + rnd() * length,
                    "box_x": int(rnd() * (1920 - width)),
                    "box_y": int(rnd() * (1080 - height)),
                    "box_width": width,
                    "box_height": height,
                }
            )
    return detections


def _moments(count: int, rnd: Chance, now: datetime) -> Iterator[datetime]:
    """`count` growing moments before `now`, as dense in each hour as the rhythm says."""
    hours = 24 * max(FEWEST_DAYS, count // EVENTS_PER_DAY)
    hour = (now - timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)
    total = sum(_RHYTHM) * hours / 24
    passed = 0.0  # rhythm units before `hour`
    for index in range(count):
        target = (index + rnd()) / count * total
        while target >= passed + _RHYTHM[hour.hour]:
            passed += _RHYTHM[hour.hour]
            hour += timedelta(hours=1)
        yield hour + timedelta(microseconds=int((target - passed) / _RHYTHM[hour.hour] * 3_600_000_000))


def _by_share(shares: Sequence[tuple[T, int]]) -> list[T]:
    """Each thing as often as its share, so that a fair choice is a weighted one."""
    return [thing for thing, share in shares for _ in range(share)]


def _one(choices: Sequence[T], rnd: Chance) -> T:
    return choices[int(rnd() * len(choices))]
