"""Two flows that tell what they find around them: one of the kit, one that knows nothing of it."""

import json
import os
from pathlib import Path

from prefect import flow

from prefect_jobs import job


def _tell(file: str) -> None:
    umask = os.umask(0o077)
    os.umask(umask)
    Path(file).write_text(json.dumps({"environment": dict(os.environ), "umask": umask}))


@flow(name="plain-teller")
def plain(file: str) -> None:
    _tell(file)


@job("kit-teller", title="Teller")
def kit(file: str) -> dict[str, bool]:
    _tell(file)
    return {"told": True}
