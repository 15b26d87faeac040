"""The text of a job that a search looks into: made once when the job changes, searched a million times.

Lower-case, one field a line. The contract's fields (4.4, 17.7) and no others: type, message, the author's name of the
final state, error, and the result where it is a string, or its top-level strings where it is an object.
"""

import json
from typing import Any, cast

from prefect_jobs.jobs import Job
from prefect_jobs.secret_values import MASK

FIELD_LIMIT = 2_000
"""Characters of one field that can be found."""
TEXT_LIMIT = 10_000
"""Characters of all fields of a job that can be found."""
PARAMETER_LIMIT = 200
"""Characters of one parameter's value that can be found."""
_FIELD_END = "\n"


def _one_line(text: str, limit: int) -> str:
    return text[:limit].replace(_FIELD_END, " ").lower()


def needle(text: str) -> str:
    """How a searched text stands in the text of a job."""
    return text.replace(_FIELD_END, " ").lower()


def search_text(job: Job) -> str:
    """What a search for a word looks into."""
    fields = [job.job_type, job.message or ""]
    if job.state_name and job.state_name != job.message:
        fields.append(job.state_name)
    if job.error and job.error not in fields[1]:
        fields.append(job.error)
    result: Any = job.result
    if isinstance(result, str):
        fields.append(result)
    elif isinstance(result, dict):
        values = cast("dict[str, Any]", result).values()
        fields.extend(value for value in values if isinstance(value, str))
    return _FIELD_END.join(_one_line(field, FIELD_LIMIT) for field in fields)[:TEXT_LIMIT]


def parameter_text(job: Job) -> str:
    """What a search for a parameter looks into: ``\\nname=value\\n…``."""
    told = ((str(name), value) for name, value in job.parameters.items() if value != MASK)
    lines = [parameter_needle(name, _as_text(value)) for name, value in told]
    return "".join(lines)[:TEXT_LIMIT]


def parameter_needle(name: str, value: str) -> str:
    """How a parameter whose value begins so stands in the text of parameters."""
    return f"{_FIELD_END}{_one_line(name, PARAMETER_LIMIT)}={_one_line(value, PARAMETER_LIMIT)}"


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
