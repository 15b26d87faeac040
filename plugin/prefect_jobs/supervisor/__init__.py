"""Runs several commands as one: started in order, each when the one before is ready, their output under one prefix
each, restarted when they die or fall silent, stopped together, and nothing left behind.

It knows nothing of what the commands do: `prefect-jobs up` says which (``prefect_jobs.cli.up``).
"""

from prefect_jobs.supervisor.child import ChildSpec
from prefect_jobs.supervisor.console import Console
from prefect_jobs.supervisor.readiness import AnswersHttp, SaysReady
from prefect_jobs.supervisor.supervise import ChildNeverReady, Supervisor

__all__ = ["AnswersHttp", "ChildNeverReady", "ChildSpec", "Console", "SaysReady", "Supervisor"]
