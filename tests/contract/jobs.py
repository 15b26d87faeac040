"""Jobs as a client of the API sees them."""

from typing import Any

import httpx

from tests.stack import eventually


def job(api: httpx.Client, job_id: str, **expected: Any) -> dict[str, Any]:
    """The job, once it shows what is expected."""

    def right() -> dict[str, Any] | None:
        answer = api.get(f"/api/jobs/{job_id}")
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return found if found and all(found[name] == value for name, value in expected.items()) else None

    return eventually(right, what=f"job {job_id} shows {expected}", within=60)
