"""Which run this is, for what a job writes down under its own id."""

from uuid import UUID, uuid4

from prefect.runtime.flow_run import get_id


def this_run_id() -> UUID:
    """The id of the run whose code calls this, the same in each of its attempts; a new one outside of a run."""
    run_id = get_id()
    return UUID(run_id) if run_id else uuid4()
