"""The settings of a command: from the environment, and from its options where they were given.

An option is written back to the environment, so that the processes a command starts see the same settings.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_jobs.cli.refusals import Refusal

if TYPE_CHECKING:
    from prefect_jobs.settings import Settings


def load_settings(**options: str | int | Path | None) -> "Settings":
    """The settings, with those options that are not None put first.

    Raises:
        Refusal: a setting has a value that is none.
    """
    from pydantic import ValidationError

    from prefect_jobs.settings import Settings

    for name, value in options.items():
        if value is not None:
            os.environ[f"PREFECT_JOBS_{name.upper()}"] = str(value)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        setting = "_".join(str(part) for part in first["loc"]).upper()
        raise Refusal(f"PREFECT_JOBS_{setting} has no valid value: {first['msg']}.") from error
