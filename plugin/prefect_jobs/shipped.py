"""Job types are files that Prefect loads by path, and `prefect.yaml` names them relative to its own folder. That folder
is the checkout for who works on the project, and a folder inside the installed package for who only has the wheel.

This module says which, so that the same deployment runs wherever the package is installed: its pull step is
``enter_flows``, a function instead of somebody's absolute path.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path

DECLARATIONS = "prefect.yaml"
ENTER_FLOWS = "prefect_jobs.shipped.enter_flows"


class ShippedFilesMissing(Exception):
    """The job types are missing from this installation of prefect-jobs."""

    def __init__(self, searched: list[Path]) -> None:
        places = " nor in ".join(str(place) for place in searched)
        super().__init__(f"The job types are missing from this installation: no {DECLARATIONS} in {places}.")


@cache
def root() -> Path:
    """The folder that holds `flows/` and `prefect.yaml`.

    Raises:
        ShippedFilesMissing: there is none; the installation is broken.
    """
    package = Path(str(files("prefect_jobs")))
    places = [package / "_shipped", package.parent.parent]
    for place in places:
        if (place / DECLARATIONS).is_file() and (place / "flows").is_dir():
            return place
    raise ShippedFilesMissing(places)


def enter_flows() -> dict[str, str]:
    """Pull step of our deployments: the run works from the folder that holds `flows/` on this machine."""
    return {"directory": str(root())}
