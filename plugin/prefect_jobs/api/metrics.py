"""What Prometheus may ask (`/metrics`), and how hard this adapter itself makes Prefect work.

Every label has few values: routes are templates, methods and job types beyond the known or the largest are `other`. A
registry belongs to one application, so that two in one process do not count each other's requests.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import Scope

from prefect_jobs.api.adapter import TheAdapter

router = APIRouter(tags=["health"])

TYPES_SHOWN = 100
"""Job types that have a value of their own; the rest, the rarest ones, are counted as `other`."""
OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
RATE_OVER = 60.0
"""Seconds over which the rate of requests to Prefect is taken."""
SAMPLE_EVERY = 5.0


def known_method(scope: Scope) -> str:
    """The method; `other` for one that HTTP does not know."""
    return scope["method"] if scope["method"] in METHODS else OTHER


def route_template(scope: Scope) -> str:
    """The path of the route that answered, such as `/api/jobs/{job_id}`; `other` where there was none."""
    return str(getattr(scope.get("route"), "path", None) or OTHER)


def largest(counts: Mapping[str, int], shown: int = TYPES_SHOWN) -> dict[str, int]:
    """The largest counts by name, and what remains as `other`."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = dict(ordered[:shown])
    if rest := sum(count for _, count in ordered[shown:]):
        kept[OTHER] = kept.get(OTHER, 0) + rest
    return kept


class PrefectLoad:
    """Requests a second that the adapter causes at Prefect, over the last minute."""

    def __init__(self, count: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque([(clock(), count())])

    @property
    def requests(self) -> int:
        """All of them, since this process began."""
        return self._count()

    def rate(self) -> float:
        """Requests a second."""
        since, before = self._samples[0]
        return max(0, self._count() - before) / max(1.0, self._clock() - since)

    def sample(self) -> None:
        """Note how many there are by now, and forget what is older than a minute."""
        now = self._clock()
        self._samples.append((now, self._count()))
        while len(self._samples) > 1 and self._samples[1][0] <= now - RATE_OVER:
            self._samples.popleft()

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            await asyncio.sleep(SAMPLE_EVERY)
            self.sample()


class Metrics:
    """The figures of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "prefect_jobs_request_seconds",
            "Seconds that requests took, streams until their end.",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.sockets = Gauge("prefect_jobs_sockets_open", "Open sockets.", registry=self.registry)
        self._jobs = self._gauge("jobs", "Jobs by status.", "status")
        self._types = self._gauge("jobs_by_type", "Jobs by type; the rarest types are `other`.", "job_type")
        self._lag = self._gauge("index_behind_seconds", "Seconds since the index was known to be right; 0 while it is.")
        self._version = self._gauge("index_version", "Version of the latest change.")
        self._prefect = self._gauge("prefect_up", "Whether Prefect answers this process itself.")
        self._parts = self._gauge("part_up", "Whether a part of this process does its work (see /readyz).", "part")
        self._ready = self._gauge("ready", "Whether every part of this process does its work.")
        self._holds = self._gauge("feed_held", "Whether it is this process that keeps the index true.")
        self._asked = Counter(
            "prefect_jobs_prefect_requests", "Requests that the adapter made to Prefect.", registry=self.registry
        )
        self._counted = 0

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"prefect_jobs_{name}", text, labels, registry=self.registry)

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(known_method(scope), route_template(scope), str(status)).observe(seconds)

    def text(self, adapter: TheAdapter, load: PrefectLoad) -> bytes:
        """Everything in Prometheus' format, as of now."""
        status, counts, parts = adapter.feed.status(), adapter.index.stats().counts, adapter.readiness.parts()
        self._lag.set(status.behind_seconds)
        self._prefect.set(parts["prefect"].up)
        for name, part in parts.items():
            self._parts.labels(name).set(part.up)
        self._ready.set(all(part.up for part in parts.values()))
        self._holds.set(adapter.feed.holding)
        self._version.set(adapter.hub.version)
        for gauge, shown in ((self._jobs, counts.by_status), (self._types, largest(counts.by_type))):
            gauge.clear()
            for name, count in shown.items():
                gauge.labels(name).set(count)
        self._asked.inc(load.requests - self._counted)
        self._counted = load.requests
        return generate_latest(self.registry)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Figures in Prometheus' text format.", "content": {"text/plain": {}}}},
)
async def metrics(adapter: TheAdapter, request: Request) -> Response:
    """Give every figure of this process to Prometheus."""
    state = request.app.state
    return Response(state.metrics.text(adapter, state.prefect_load), media_type=CONTENT_TYPE_LATEST)
