"""The jobs API as one class: what a program does with jobs, without a word of HTTP."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import unquote, urlsplit

import httpx

from prefect_jobs.client.change_feed import ChangeFeed
from prefect_jobs.client.connection import Connection, Query, job_path, moment
from prefect_jobs.client.errors import Refused, ServerFailed
from prefect_jobs.client.log_follower import LogFollower
from prefect_jobs.client.log_socket import LogSocket
from prefect_jobs.client.pace import Pace
from prefect_jobs.client.stored_log import LogFilter, StoredLog
from prefect_jobs.client.values import (
    Answer,
    BulkAnswer,
    Change,
    ItemError,
    Job,
    JobDetail,
    JobHistory,
    JobList,
    JobStats,
    JobType,
    LogLine,
    LogState,
    SearchPage,
    read,
)
from prefect_jobs.client.waiting import OnProgress, Waiting

URL_VARIABLE = "PREFECT_JOBS_URL"
KEY_VARIABLE = "PREFECT_JOBS_API_KEY"
DEFAULT_URL = "http://127.0.0.1:8000"
SEARCH_PAGE = 200
BULK = 100
Words = str | Iterable[str] | None


class Client:
    """A jobs API. Use it in a ``with`` block, or call ``close``; one client may be shared by threads.

    Args:
        base_url: the address of the jobs API; left out, PREFECT_JOBS_URL, else ``http://127.0.0.1:8000``.
        api_key: left out, PREFECT_JOBS_API_KEY; sent in a header only.
        pace: how patient the client is.
        transport: another way to the server than httpx's own, for tests.

    Every method raises ``ClientError``, whose tree is in ``prefect_jobs.client.errors``.

    Raises:
        ValueError: the address or the key cannot be one.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        pace: Pace | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._connection = Connection(
            base_url or os.environ.get(URL_VARIABLE) or DEFAULT_URL,
            api_key or os.environ.get(KEY_VARIABLE) or None,
            pace=pace or Pace(),
            transport=transport,
        )

    @property
    def base_url(self) -> str:
        """Where the server is."""
        return self._connection.base_url

    def close(self) -> None:
        """Close all connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def list(
        self,
        *,
        job_type: str | None = None,
        status: str | None = None,
        state: Words = None,
        limit: int = 50,
        offset: int = 0,
        sort: str = "created_at",
        order: str = "desc",
    ) -> JobList:
        """One page of jobs, newest first. ``limit`` is 1 to 1000; ``status`` may be ``cancelled`` too."""
        params: dict[str, Query] = {"job_type": job_type, "status": status, "state": _words(state)}
        params |= {"limit": limit, "offset": offset, "sort": sort, "order": order}
        return read(JobList, self._connection.get("/api/jobs", params))

    def search(
        self,
        q: str | None = None,
        *,
        job_type: Words = None,
        status: Words = None,
        state: Words = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        completed_after: datetime | None = None,
        completed_before: datetime | None = None,
        has_error: bool | None = None,
        min_duration: float | None = None,
        max_duration: float | None = None,
        sort: str = "created_at",
        order: str = "desc",
        page_size: int = SEARCH_PAGE,
    ) -> Iterator[Job]:
        """Every job that matches, read page by page as the iterator is asked. Durations are in seconds.

        Newest first, jobs that are created meanwhile are left out, so that they do not push others onto the next page.
        In other orders a job that moves while it is read may be missed.
        """
        params: dict[str, Query] = {"q": q, "job_type": _words(job_type), "status": _words(status)}
        params |= {"state": _words(state), "created_after": created_after, "created_before": created_before}
        params |= {"completed_after": completed_after, "completed_before": completed_before, "has_error": has_error}
        params |= {"min_duration": min_duration, "max_duration": max_duration, "sort": sort, "order": order}
        offset = 0
        given: set[str] = set()
        while True:
            page = self.search_page(params, limit=page_size, offset=offset)
            yield from (job for job in page.data if job.job_id not in given)
            if not page.data or not page.meta.has_more:
                return
            if offset == 0 and (sort, order.lower()) == ("created_at", "desc") and created_before is None:
                params["created_before"] = page.data[0].created_at
            given = {job.job_id for job in page.data}
            offset += len(page.data)

    def search_page(self, params: Mapping[str, Query] | None = None, *, limit: int = 50, offset: int = 0) -> SearchPage:
        """One page of a search, with total and facets; ``params`` are those of ``GET /api/jobs/search``."""
        asked = {**(params or {}), "limit": limit, "offset": offset}
        return read(SearchPage, self._connection.get("/api/jobs/search", asked))

    def get(self, job_id: str) -> Job:
        """One job, with its result."""
        return read(Job, self._connection.get(job_path(job_id), job_id=job_id))

    def detail(self, job_id: str) -> JobDetail:
        """One job in parts: progress, timing, attempts, parameters."""
        return read(JobDetail, self._connection.get(job_path(job_id, "detail"), job_id=job_id))

    def history(self, job_id: str) -> JobHistory:
        """Every change of a job's status, and its attempts."""
        return read(JobHistory, self._connection.get(job_path(job_id, "history"), job_id=job_id))

    def types(self) -> tuple[JobType, ...]:
        """Every kind of job that the server knows."""
        return tuple(read(JobType, item) for item in _field(self._connection.get("/api/jobs/types"), "job_types"))

    def stats(self) -> JobStats:
        """Counts and times over all jobs."""
        return read(JobStats, self._connection.get("/api/jobs/stats"))

    def start(
        self,
        job_type: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        deployment: str | None = None,
        like: str | None = None,
        run_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Start a job, and return its id.

        ``like`` is the id of a job of this type: what ``parameters`` leaves out comes from that job, secrets included.
        With an idempotency key the request may be repeated without starting a second job, so it is tried again when
        nobody answers.

        Raises:
            Invalid: there is no such type or deployment, or the parameters do not fit.
            Refused: no deployment can run it.
            ValueError: ``run_at`` has no time zone.
        """
        body = {"job_type": job_type, "parameters": dict(parameters or {}), "deployment": deployment}
        body["run_at"] = None if run_at is None else moment("run_at", run_at)
        if like is not None:
            body["like"] = like
        return str(_field(self._connection.send("POST", "/api/jobs", body, idempotency_key=idempotency_key), "job_id"))

    def start_export(
        self,
        format: str = "csv",
        *,
        camera_id: str | None = None,
        risk_level: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        reviewed: bool | None = None,
    ) -> str:
        """Start an export of events as ``csv``, ``json`` or ``zip``, and return the job's id."""
        body = {"format": format, "camera_id": camera_id, "risk_level": risk_level, "reviewed": reviewed}
        body["start_date"] = None if start_date is None else moment("start_date", start_date)
        body["end_date"] = None if end_date is None else moment("end_date", end_date)
        return str(_field(self._connection.send("POST", "/api/events/export", body), "job_id"))

    def cancel(self, job_id: str) -> Answer:
        """Ask a job to finish its current step and stop. ``Refused`` when it has ended."""
        return self._act(job_id, "cancel")

    def abort(self, job_id: str) -> Answer:
        """End a running job at once. ``Refused`` when it does not run."""
        return self._act(job_id, "abort")

    def retry(self, job_id: str) -> Job:
        """Queue a failed job again, under the same id. ``Refused`` when it has not failed."""
        return read(Job, self._connection.send("POST", job_path(job_id, "retry"), job_id=job_id))

    def delete(self, job_id: str) -> Answer:
        """Remove a job for good; a pending one is cancelled first. ``Refused`` while it runs."""
        if self.get(job_id).version is None:
            # Such a server does not know `purge`, and would stop the job instead.
            raise Refused("This server cannot delete jobs")
        body = self._connection.send("DELETE", job_path(job_id), params={"purge": True}, job_id=job_id)
        return read(Answer, body)

    def bulk_cancel(self, job_ids: Iterable[str]) -> BulkAnswer:
        """Cancel many jobs, in requests of a hundred."""
        ids = tuple(job_ids)
        cancelled = failed = 0
        errors: list[ItemError] = []
        for first in range(0, len(ids), BULK):
            body = {"job_ids": ids[first : first + BULK]}
            answer = read(BulkAnswer, self._connection.send("POST", "/api/jobs/bulk-cancel", body))
            cancelled, failed = cancelled + answer.cancelled, failed + answer.failed
            errors.extend(answer.errors)
        return BulkAnswer(cancelled=cancelled, failed=failed, errors=tuple(errors))

    def logs(
        self,
        job_id: str,
        *,
        level: str | None = None,
        since: datetime | None = None,
        contains: str | None = None,
        attempt: int | None = None,
        after: int = 0,
    ) -> Iterator[LogLine]:
        """Every stored line of a job behind the one with the ``seq`` ``after``, read page by page."""
        return StoredLog(self._connection, job_id).lines(LogFilter(level, since, contains, attempt), after=after)

    def log_tail(
        self, job_id: str, lines: int = 100, *, level: str | None = None, contains: str | None = None
    ) -> tuple[LogLine, ...]:
        """The newest lines of a job's log, oldest of them first; 1 to 10,000."""
        return tuple(StoredLog(self._connection, job_id).tail(LogFilter(level, None, contains), lines))

    def log_state(self, job_id: str) -> LogState:
        """How many lines of a job's log the server has, whether none is missing, and as of when that was so."""
        return StoredLog(self._connection, job_id).state()

    def follow_logs(self, job_id: str, *, after: int = 0, timeout: float | None = None) -> Iterator[LogLine]:
        """Every line of a job behind ``after``, each once, as it comes; ends when the job has ended and its log is
        complete.

        Raises:
            WaitedTooLong: that was not so after ``timeout`` seconds.
        """
        path = f"/ws{job_path(job_id, 'logs').removeprefix('/api')}"
        return LogFollower(
            read_job=lambda: self.get(job_id),
            read_stored=lambda: self.logs(job_id),
            open_socket=lambda seq: LogSocket.open(self._connection, f"{path}?after={seq}" if seq else path),
            after=after,
            pace=self._connection.pace,
            timeout=timeout,
        ).lines()

    def changes(self, after: int | None = None) -> Iterator[Change]:
        """Every change of any job behind the version ``after``, or from now on, for as long as it is iterated."""
        return iter(ChangeFeed(self._connection, after))

    def wait(self, job_id: str, *, timeout: float | None = None, on_progress: OnProgress | None = None) -> Job:
        """Wait until a job has ended, however it did, and return it with its result.

        Args:
            job_id: the job.
            timeout: seconds; None waits for ever.
            on_progress: called with the job at first and after each change.

        Raises:
            WaitedTooLong: the job has not ended in time.
        """
        return Waiting(self._connection, lambda: self.get(job_id), timeout=timeout, on_progress=on_progress).result()

    def download(self, job: Job | str, path: str | os.PathLike[str] = ".") -> Path:
        """Fetch the file that a completed job made (``result.file_path``), and return where it is.

        ``path`` is the file to write, or a folder to write it into under its own name. A file that is there already is
        replaced, and only by a complete one.

        Raises:
            Refused: the job made no file.
        """
        known = self.get(job) if isinstance(job, str) else job
        link = file_link(known)
        target = Path(path)
        target = target / file_name(link) if target.is_dir() else target
        with self._connection.stream(link) as answer:
            handle, part = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    for chunk in answer.iter_bytes():
                        file.write(chunk)
                Path(part).replace(target)
            except BaseException:
                with suppress(FileNotFoundError):
                    Path(part).unlink()
                raise
        return target

    def _act(self, job_id: str, action: str) -> Answer:
        return read(Answer, self._connection.send("POST", job_path(job_id, action), job_id=job_id))


def file_link(job: Job) -> str:
    """The path of the file that a job made, on the server.

    Raises:
        Refused: it made none. A whole address is none either: the API key must not go there.
    """
    result: Any = job.result
    link: Any = cast("dict[str, Any]", result).get("file_path") if isinstance(result, dict) else None
    if not isinstance(link, str) or not link.startswith("/") or link.startswith("//"):
        raise Refused(f"Job {job.job_id} has no file to download: it is {job.state}")
    return link


def file_name(link: str) -> str:
    """The name that a file of this link gets here: never one that leads out of its folder.

    Raises:
        Refused: the link ends without a name.
    """
    name = unquote(urlsplit(link).path).rpartition("/")[2]
    if name in ("", ".", "..") or not name.isprintable():
        raise Refused(f"The server's link names no file: {link!r}")
    return name


def _words(words: Words) -> str | list[str] | None:
    return words if words is None or isinstance(words, str) else list(words)


def _field(body: object, name: str) -> Any:
    found: Any = cast("dict[str, Any]", body).get(name) if isinstance(body, dict) else None
    if found is None:
        raise ServerFailed(f"The server's answer is not the contract's: it has no {name}")
    return found
