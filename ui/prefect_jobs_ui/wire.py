"""The shapes of the wire that the page reads (the jobs API's contract), as far as it reads them."""

from __future__ import annotations

from typing import Any, TypedDict


class JobResponse(TypedDict, total=False):
    """A job on the wire (contract 2.2 and 16.2), as far as the page reads it."""

    job_id: str
    job_type: str
    status: str
    state: str
    progress: int
    message: str | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    result: Any
    error: str | None
    version: int
