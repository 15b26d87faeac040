"""How a running flow and the adapter call what passes between them: both sides read the names here, and only here."""

PROGRESS_EVENT = "prefect-jobs.progress"
"""The event by which a run tells its progress: fast, and may get lost."""

PROGRESS_LABEL = "prefect-jobs.progress"
"""The run's label with the same payload as JSON text: slower, and stays with the run."""

RESULT_LABEL = "prefect-jobs.result"
"""The run's label with what an attempt returned: JSON text of ``{"attempt", "result"}``."""

STEPS_LABEL = "prefect-jobs.steps"
"""How the labels begin that hold the steps of the run: ``.<attempt>`` follows."""

WITHDRAWN = "Withdrawn"
"""The name of the Cancelling state of a run that was cancelled after a worker had taken it and before it began. Prefect
lets such a run begin after Cancelled, and not after Cancelling."""

KIT_LABEL = "prefect-jobs.kit"
"""The label that marks a run of the kit."""

RECEIPT_LABEL = "prefect-jobs.receipt"
"""How the label begins with the receipt of a death that a worker reported first: ``.<id of the state>`` follows."""

TITLE_LABEL = "prefect-jobs.title"
"""The label with the title that people read."""

CREATED_LABEL = "prefect-jobs.created-by"
"""The label of a run that the jobs API created: the name of the API key it was asked with, or nothing."""

WORKER_LABEL = "prefect-jobs.worker"
"""The label with which worker process took the run last: ``WorkerProcess`` as JSON text."""

WORKER_NAME_LABEL = "prefect.worker.name"
"""Prefect's own label of the run: the name of the worker that took it last."""
