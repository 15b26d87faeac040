"""`prefect.yaml` declares one deployment per way to run a job type. Prefect reads it leniently: what it does not know
it skips, and a mistyped schedule is a schedule that never runs. Here a word without meaning is an error.
"""

from pathlib import Path
from typing import Any, Literal

import yaml
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from pydantic import BaseModel, ConfigDict, Field, ValidationError


class DeclarationsInvalid(Exception):
    """The deployments in {file} cannot be read: {reason}"""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"The deployments in {file} cannot be read: {reason}")


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(_Declared):
    """When a deployment runs by itself. The slug tells it from its siblings when it changes."""

    slug: str
    cron: str | None = None
    interval: float | None = Field(default=None, gt=0, description="Seconds from one run to the next.")
    rrule: str | None = None
    timezone: str = "UTC"
    active: bool = True
    parameters: dict[str, Any] = {}

    def timing(self) -> CronSchedule | IntervalSchedule | RRuleSchedule:
        """The schedule in Prefect's words.

        Raises:
            ValueError: not exactly one of cron, interval and rrule is given, or it has no meaning.
        """
        match (self.cron, self.interval, self.rrule):
            case (str(cron), None, None):
                return CronSchedule(cron=cron, timezone=self.timezone)
            case (None, float(seconds), None):
                return IntervalSchedule.model_validate({"interval": seconds, "timezone": self.timezone})
            case (None, None, str(rrule)):
                return RRuleSchedule(rrule=rrule, timezone=self.timezone)
            case _:
                raise ValueError(f"schedule {self.slug!r} needs exactly one of cron, interval and rrule")


class ConcurrencyLimit(_Declared):
    """How many runs of a deployment may be at work at once, and what happens to the next."""

    limit: int = Field(gt=0)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"] = "ENQUEUE"
    grace_period_seconds: int | None = Field(
        default=None, ge=60, le=86400, description="How long a run may take to start before it loses its place."
    )


class _Pool(_Declared):
    name: str
    job_variables: dict[str, Any] = {}


class Declaration(_Declared):
    """One deployment, as `prefect.yaml` declares it."""

    name: str
    entrypoint: str
    description: str | None = None
    tags: list[str] = []
    parameters: dict[str, Any] = {}
    schedules: list[Schedule] = []
    concurrency_limit: int | ConcurrencyLimit | None = None
    work_pool: _Pool
    pull: list[dict[str, Any]] | None = None


class _File(_Declared):
    name: str
    pull: list[dict[str, Any]]
    definitions: dict[str, Any] = {}
    deployments: list[Declaration]


def read_declarations(file: Path) -> list[Declaration]:
    """The deployments that a `prefect.yaml` declares.

    Raises:
        DeclarationsInvalid: the file is missing, is no YAML, or says something that would be ignored.
    """
    try:
        content = _File.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        for declaration in content.deployments:
            for schedule in declaration.schedules:
                schedule.timing()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DeclarationsInvalid(file, f"{place}: {first['msg']}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DeclarationsInvalid(file, " ".join(str(error).split())) from error
    pull = content.pull
    return [d if d.pull is not None else d.model_copy(update={"pull": pull}) for d in content.deployments]
