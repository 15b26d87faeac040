"""The kit for flow authors: `job` makes a job type of a function, `progress` says how far it is."""

from prefect_jobs.kit.job_flow import job
from prefect_jobs.kit.progress_call import progress

__all__ = ["job", "progress"]
