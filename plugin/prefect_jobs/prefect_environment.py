"""How Prefect's own processes are set up. Its defaults are for other circumstances: a worker that looks for work every
ten seconds, logs shipped every two, a database that wedges under a few writers, and messages sent home.

Prefect reads its settings from the environment once, on import, and hands them to the flow processes it starts: so
these are set before it is imported. What the user has set himself is left alone.
"""

import os
from collections.abc import Mapping
from pathlib import Path

API_URL = "PREFECT_API_URL"
ADAPTER_URL = "PREFECT_JOBS_ADAPTER_URL"
"""Where running jobs find the jobs API, such as `http://127.0.0.1:8000`: they hear of a stop there first."""
ADAPTER_KEY = "PREFECT_JOBS_ADAPTER_KEY"
"""An API key of the role `viewer` for that, where the jobs API asks for keys."""
SIDECAR_KEY_FILE = "PREFECT_JOBS_SIDECAR_KEY_FILE"
"""A file that holds such a key. A worker names it to its jobs instead of the key: it cannot know which of them have a
sidecar, and whatever a job starts reads its environment."""
API_KEYS = ("PREFECT_JOBS_API_KEYS", "PREFECT_JOBS_API_KEYS_FILE")
API_AUTH = "PREFECT_API_AUTH_STRING"
SERVER_AUTH = "PREFECT_SERVER_API_AUTH_STRING"
ONE_CONNECTION = "prefect_jobs_one_connection"
"""The SQLAlchemy plugin of ``prefect_jobs.one_connection``, by the name of its entry point."""

# Nothing leaves the machine unasked: the server's heartbeat, the client's usage events, the UI's promotions.
PRIVATE = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}

WORKER = {
    **PRIVATE,
    # Seconds between two looks for new runs (Prefect: 10): half of it is what a new job waits on average.
    "PREFECT_WORKER_QUERY_SECONDS": "0.5",
    # Seconds between two signs of life (Prefect: 30). After three that are missing the worker counts as offline.
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
    # Seconds between two shipments of log lines (Prefect: 2): 118 ms instead of 1,109 ms to a reader, measured.
    "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.2",
    # A job's DEBUG lines reach the server; those of everything else, and the console, stay at INFO.
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "DEBUG",
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "DEBUG",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
}


def embedded_server(data: Path, port: int = 4200) -> dict[str, str]:
    """The environment of `prefect server start` with everything it keeps in a data folder."""
    return {
        **PRIVATE,
        "PREFECT_HOME": str(data / "prefect"),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{data / 'prefect.db'}?plugin={ONE_CONNECTION}",
        # Who holds a place of a limited deployment is remembered across a restart (Prefect: it is not, and ends such
        # jobs when they next ask for their place).
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # Seconds until a job that found no place may ask again (Prefect: 30).
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
        # Whose pages may use it: its own (Prefect: everybody's).
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
        # The log stream is off by default; the adapter is woken by it.
        "PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED": "true",
        "PREFECT_SERVER_LOGS_STREAM_PUBLISHING_ENABLED": "true",
    }


def for_server(environment: Mapping[str, str]) -> dict[str, str | None]:
    """What of our own settings Prefect's server is not to have: databases, keys, none of which it uses."""
    return {name: None for name in environment if name.startswith("PREFECT_JOBS_") and name != "PREFECT_JOBS_DATA_DIR"}


def apply(wanted: Mapping[str, str]) -> None:
    """Set what the user has not set himself. Before the first import of Prefect."""
    for name, value in wanted.items():
        os.environ.setdefault(name, value)
