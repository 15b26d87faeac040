"""The kit for flow authors: `job` makes a job type of a function; the rest is what its body may say and ask."""

from prefect_jobs.kit.downloads import publish, publishing
from prefect_jobs.kit.job_flow import job
from prefect_jobs.kit.progress_call import progress
from prefect_jobs.kit.step_call import step
from prefect_jobs.kit.stop_flag import JobStopped, checkpoint

__all__ = ["JobStopped", "checkpoint", "job", "progress", "publish", "publishing", "step"]
