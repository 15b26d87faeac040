"""Executes job runs on this machine: Prefect's process worker, with our way to start a run, to bear an outage, to stop,
and to find what a dead worker has left behind.

Prefect's own starts three Python processes one after another for each run (a supervisor, one that works out where the
code is, and the flow), which costs seconds; ours knows where the code of its deployments is and starts the flow at
once. How that is done is known in ``starting`` alone.
"""
