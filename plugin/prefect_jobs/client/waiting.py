"""Waiting for a job to end: told by the change feed, and asked for where the feed is silent or missing."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from prefect_jobs.client.change_feed import ChangeFeed, NewsReader
from prefect_jobs.client.connection import Connection
from prefect_jobs.client.errors import JobNotFound, NotReachable, ServerBusy, WaitedTooLong
from prefect_jobs.client.values import FeedReset, Job, JobChanged, JobDeleted

OnProgress = Callable[[Job], None]


class Waiting:
    """One job that is waited for.

    Args:
        connection: the server.
        read_job: asks for the job.
        timeout: seconds; None waits for ever.
        on_progress: is told of the job at first and after each change, the last one too.
    """

    def __init__(
        self,
        connection: Connection,
        read_job: Callable[[], Job],
        *,
        timeout: float | None,
        on_progress: OnProgress | None,
    ) -> None:
        self._connection = connection
        self._pace = connection.pace
        self._read_job = read_job
        self._timeout = timeout
        self._deadline = None if timeout is None else self._pace.clock() + timeout
        self._on_progress = on_progress
        self._told: Job | None = None
        self._failures = 0

    def result(self) -> Job:
        """The job in its final state, with its result.

        Raises:
            WaitedTooLong: it has not ended in time.
            JobNotFound: there is no such job, or it was deleted.
            ClientError: the server cannot be reached any more.
        """
        job = self._read_job()
        self._tell(job)
        if job.ended:
            return job
        with self._news(job) as news:
            while True:
                heard = self._next(news, job)
                if isinstance(heard, JobDeleted) and heard.job_id == job.job_id:
                    raise JobNotFound(job.job_id)
                if isinstance(heard, JobChanged) and heard.job.job_id == job.job_id:
                    job = heard.job
                    if not job.ended:
                        self._tell(job)
                        continue
                elif heard is not None and not isinstance(heard, FeedReset):
                    continue
                # The feed leaves results out, and knows nothing after a reset.
                job = self._ask_again(job)
                self._tell(job)
                if job.ended:
                    return job

    @contextmanager
    def _news(self, job: Job) -> Generator[NewsReader | None]:
        if job.version is None:  # a server without a change feed
            yield None
            return
        reader = NewsReader(ChangeFeed(self._connection, job.version))
        try:
            yield reader
        finally:
            reader.close()

    def _next(self, news: NewsReader | None, job: Job) -> object:
        """What the feed says next; None when it is time to ask."""
        left = None if self._deadline is None else self._deadline - self._pace.clock()
        if left is not None and left <= 0:
            raise WaitedTooLong(job, self._timeout or 0)
        if self._failures:
            return None  # the last answer is still owed
        if news is None or news.ended:
            pause = self._pace.look_without_feed
            self._pace.sleep(pause if left is None else min(pause, left))
            return None
        return news.next(self._pace.look if left is None else min(self._pace.look, left))

    def _ask_again(self, job: Job) -> Job:
        """The job now; as it was, when the server is away for a moment."""
        try:
            job = self._read_job()
        except (NotReachable, ServerBusy):
            self._failures += 1
            pause = self._pace.before_reconnect(self._failures)
            if pause is None:
                raise
            self._pace.sleep(pause)
            # The feed may have said that it ended: only the answer counts, as it has the result.
            return self._told or job
        self._failures = 0
        return job

    def _tell(self, job: Job) -> None:
        changed = self._told is None or (job.version, job.status, job.state, job.progress, job.message) != (
            self._told.version, self._told.status, self._told.state, self._told.progress, self._told.message
        )  # fmt: skip
        self._told = job
        if changed and self._on_progress is not None:
            self._on_progress(job)
