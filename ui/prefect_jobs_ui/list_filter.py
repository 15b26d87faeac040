"""Which jobs the list shows: what the search bar says, and what the URL keeps (`?q= ?status= ?type=`).

The API decides what matches. But a change of one job must reach the right card within milliseconds, so what can be
decided without asking is decided here: everything but the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

from prefect_jobs_ui.cards import CANCELLED_STATES, JobCard

STATUSES = ("pending", "running", "completed", "failed", "cancelled")
# What is `failed` on the wire and was not cancelled (contract 16.1): the page shows the cancelled as a status of their
# own, and the numbers beside the statuses add up to all jobs.
FAILED_STATES = ("failed", "crashed", "timed_out")
LONGEST_TEXT = 1_000
LONGEST_TYPE = 200


@dataclass(frozen=True, slots=True)
class ListFilter:
    """A search text, a status and a type; each may be empty, which shows all."""

    q: str = ""
    status: str = ""
    job_type: str = ""

    @classmethod
    def of_query(cls, query: str) -> ListFilter:
        """The filter that the query of a page's address asks for."""
        said = dict(reversed(parse_qsl(query)))  # of a name that stands there twice the first counts, as in browsers
        return cls.of_words(said.get("q"), said.get("status"), said.get("type"))

    @classmethod
    def of_words(cls, q: object, status: object, job_type: object) -> ListFilter:
        """A filter of whatever came from outside; what cannot be one is left out."""
        return cls(
            q=q.strip()[:LONGEST_TEXT] if isinstance(q, str) else "",
            status=status if isinstance(status, str) and status in STATUSES else "",
            job_type=job_type[:LONGEST_TYPE] if isinstance(job_type, str) else "",
        )

    @property
    def is_active(self) -> bool:
        """Whether it leaves anything out."""
        return self != ListFilter()

    @property
    def params(self) -> dict[str, str]:
        """The filter as parameters of the search (contract 4.4)."""
        said: dict[str, str] = {}
        if self.q:
            said["q"] = self.q
        if self.status:
            said["status"] = self.status
        if self.status == "failed":
            said["state"] = ",".join(FAILED_STATES)
        if self.job_type:
            said["job_type"] = self.job_type
        return said

    def matches(self, card: JobCard) -> bool | None:
        """Whether the list shows this job; None when only the API can tell, because of the text."""
        if self.status and card.look != self.status:
            return False
        if self.job_type and card.job_type != self.job_type:
            return False
        return None if self.q else True


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs there are, by the status that the page shows, and by type."""

    by_look: Mapping[str, int]
    by_type: Mapping[str, int]
    exact: bool = True

    @classmethod
    def of_facets(cls, facets: Mapping[str, Any]) -> Counts:
        """The counts of a search's facets (contract 4.4, 16.2)."""
        by_look, by_state = _numbers(facets.get("by_status")), _numbers(facets.get("by_state"))
        cancelled = sum(by_state.get(state, 0) for state in CANCELLED_STATES)
        if cancelled:
            by_look["failed"] = max(0, by_look.get("failed", 0) - cancelled)
            by_look["cancelled"] = cancelled
        by_type = _numbers(facets.get("by_type"))
        return cls(by_look, by_type, facets.get("exact") is not False)

    def to_json(self) -> dict[str, Any]:
        """The counts as the browser gets them."""
        return {"by_look": dict(self.by_look), "by_type": dict(self.by_type), "exact": self.exact}


def _numbers(counts: Any) -> dict[str, int]:
    return {str(word): int(count) for word, count in cast("dict[str, Any]", counts or {}).items()}
