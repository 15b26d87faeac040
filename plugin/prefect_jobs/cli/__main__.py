"""`python -m prefect_jobs.cli` is `prefect-jobs`."""

from prefect_jobs.cli import main

main()
