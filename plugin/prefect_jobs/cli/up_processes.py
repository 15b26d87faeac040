"""Which processes `prefect-jobs up` runs, and what each of them is told: a secret goes to those that have a use for it
and to nobody else, because a process hands its environment on to whatever it starts."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect_jobs.settings import Settings
    from prefect_jobs.supervisor import ChildSpec

LOOPBACK = "127.0.0.1"
WORKER_STOPS_WITHIN = 9.5  # seconds: a little more than it gives its jobs, and what watches them
OWN = (sys.executable, "-m", "prefect_jobs.cli")
SERVER_AUTH = "prefect-auth"
"""The file, in the data folder, of what the server that is started here asks for once there are API keys."""
SIDECAR_KEY = "sidecar-key"
SERVER = (sys.executable, "-m", "prefect_jobs.embedded_server")


def stages_of(
    settings: "Settings", prefect_api: str | None, prefect_port: int, *, own_key: str | None
) -> "list[list[ChildSpec]]":
    """The processes of `up`, in the stages that they are started in.

    Args:
        settings: those of this `up`.
        prefect_api: the address of the Prefect server to work with; None to start one.
        prefect_port: the port of the one that is started.
        own_key: a key for this process itself, where the API asks for keys.

    Raises:
        OpenToOthers, OSError: a secret cannot be kept in the data folder.
    """
    from prefect_jobs import prefect_environment as names
    from prefect_jobs.private_files import kept_secret
    from prefect_jobs.supervisor import AnswersHttp, ChildSpec, SaysReady

    data = settings.data_path
    one_only = (*names.API_KEYS, names.SERVER_AUTH)  # given to the one process that has a use for it
    environment: dict[str, str | None] = {"PREFECT_JOBS_DATA_DIR": str(data), **dict.fromkeys(one_only)}
    stages: list[list[ChildSpec]] = []
    if not prefect_api:
        prefect_api = own_prefect(prefect_port)
        own = {name: os.environ.get(name, value) for name, value in names.embedded_server(data, prefect_port).items()}
        environment |= {**own, names.API_URL: prefect_api}
        command = ("prefect", "server", "start", "--host", LOOPBACK, "--port", str(prefect_port))
        ready = AnswersHttp(f"{prefect_api}/health")
        serving_prefect = names.for_server(os.environ) | environment
        # What an admin may do here anybody may do at a server that asks for nothing.
        if auth := os.environ.get(names.SERVER_AUTH) or (_server_auth(data) if settings.every_api_key() else None):
            serving_prefect[names.SERVER_AUTH] = auth
            environment[names.API_AUTH] = auth
        stages.append([ChildSpec("prefect", (*SERVER, *command), ready, serving_prefect, stop_seconds=3)])
    # A line for each request would bury what a person in front of the terminal wants to read.
    quiet = {"PREFECT_JOBS_ACCESS_LOG": os.environ.get("PREFECT_JOBS_ACCESS_LOG", "false")}
    # Sidecars hear of a stop with a key of their own, which may only read.
    serving: dict[str, str | None] = {}
    working: dict[str, str | None] = {names.ADAPTER_URL: os.environ.get(names.ADAPTER_URL, settings.address)}
    if settings.every_api_key():
        file = data / SIDECAR_KEY
        given = [os.environ.get("PREFECT_JOBS_API_KEYS", ""), f"prefect-jobs-sidecars:viewer:{kept_secret(file)}"]
        if own_key is not None:
            given.append(f"prefect-jobs-up:operator:{own_key}")
        serving = {name: os.environ.get(name) for name in names.API_KEYS}
        serving["PREFECT_JOBS_API_KEYS"] = " ".join(given).strip()
        working |= {names.ADAPTER_KEY: None, names.SIDECAR_KEY_FILE: str(file)}
    on_stop = settings.on_stop or "stop"  # who presses Ctrl-C on everything does not want to wait
    stages.append(
        [
            ChildSpec(
                "serve",
                (*OWN, "serve"),
                AnswersHttp(f"{settings.address}/readyz", alive=f"{settings.address}/healthz"),
                environment | quiet | serving,
            ),
            ChildSpec(
                "work",
                (*OWN, "work", "--on-stop", on_stop),
                SaysReady(),
                environment | working,
                stop_seconds=None if on_stop == "finish" else WORKER_STOPS_WITHIN,
            ),
        ]
    )
    return stages


def _server_auth(data: Path) -> str:
    from prefect_jobs.private_files import kept_secret

    return kept_secret(data / SERVER_AUTH, prefix="prefect-jobs:")


def own_prefect(port: int) -> str:
    """The API address of the server that `up` starts."""
    return f"http://{LOOPBACK}:{port}/api"
