"""Which run this is, for what a job writes down under its own id."""

from uuid import UUID, uuid4

from prefect.runtime import flow_run


def this_run_id() -> UUID:
    """The id of the run whose code calls this, the same in each of its attempts; a new one outside of a run."""
    run_id: str | None = flow_run.id  # and not by its function: so a test can say which, as Prefect documents it
    return UUID(run_id) if run_id else uuid4()
