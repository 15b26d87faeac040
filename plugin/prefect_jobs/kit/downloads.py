"""A job's files for download. A result is at most 64 KiB of JSON, so a larger one is a file that the result names.

A published file carries part of the run's id, so two jobs never publish the same one; it appears only when it is
complete. A retried job replaces what its earlier attempt published.
"""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from prefect_jobs.kit.this_run import this_run_id
from prefect_jobs.served_folders import is_served


class NotServed(Exception):
    """No jobs API is known to serve the folder {folder}"""

    def __init__(self, folder: Path, setting: str) -> None:
        super().__init__(
            f"No jobs API of this Prefect server is known to serve the folder {folder}, so nobody could fetch what is "
            f"written there: set {setting} or PREFECT_JOBS_DATA_DIR to the folder that `prefect-jobs serve` uses."
        )


def publish(path: str | os.PathLike[str], *, name: str | None = None) -> str:
    """Copy a file into the download area, and say the URL path under which the jobs API serves it.

    `publish("/tmp/report.pdf")` in the run `5d1c0f4e-…` gives `/api/exports/report_5d1c0f4e.pdf`: put it into the
    result. `name` is another name than the file's own. Publishing a name again within a run replaces the file.

    Raises:
        ValueError: the name is none that is served: up to 100 ASCII letters, digits, `.`, `_` and `-`, the first a
            letter or digit, with an extension of up to 10 letters and digits.
        NotServed: no setting says which folder the jobs API serves, and it does not serve the one that is used then.
        OSError: the file cannot be read, or not be written there.
    """
    source = Path(path)
    with open(source, "rb") as file, publishing(name or source.name) as published:
        shutil.copyfileobj(file, published.file, 1 << 20)
    return published.url


class Published:
    """A file on its way into the download area: write into `file`; `url` is where it will be served."""

    def __init__(self, file: BinaryIO, url: str) -> None:
        self.file = file
        self.url = url


@contextmanager
def publishing(name: str) -> Generator[Published]:
    """A file of the download area to write: it appears when the block ends well, and vanishes when it does not.

    Raises `ValueError`, `NotServed` and `OSError` as `publish`.
    """
    # Loaded by the jobs that publish, not by every job.
    from prefect_jobs.exports import EXPORTS_PATH, published_name
    from prefect_jobs.finished_files import new_finished_file
    from prefect_jobs.settings import Settings

    final, folder = published_name(name, this_run_id()), Settings().exports_path
    require_served(folder, "PREFECT_JOBS_EXPORTS_DIR")
    with new_finished_file(folder, final, replace=True) as file:
        yield Published(file, f"{EXPORTS_PATH}/{final}")


def require_served(folder: Path, setting: str) -> None:
    """Refuse a folder that the jobs API does not serve. Outside of a run, and without a server, everything passes.

    Args:
        folder: where a file for others is to be written.
        setting: the environment variable that names this folder alone.

    Raises:
        NotServed: no setting names the folder, and no jobs API of this Prefect server has left its note there.
    """
    named = os.environ.get(setting) or os.environ.get("PREFECT_JOBS_DATA_DIR")
    prefect_api = get_current_settings().api.url
    if not named and flow_run.id and prefect_api and not is_served(folder, prefect_api):
        raise NotServed(folder, setting)
