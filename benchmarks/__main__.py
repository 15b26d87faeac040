"""Measure everything and write the tables of docs/benchmarks.md: `python -m benchmarks`, or `make bench`.

Takes about half an hour on two cores, most of it for the million jobs. Each measurement can also be run alone; its
module says how.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.stack import running_stack

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"


def _measured(*command: str) -> str:
    print("==", " ".join(command), file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def _machine() -> str:
    [model] = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())[:1] or ["unknown processor"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("prefect", "fastapi", "sqlalchemy", "panel"))
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with prefect-jobs {version('prefect-jobs')}, {versions} and Python "
        f"{platform.python_version()}, on {os.cpu_count()} cores of {model} with {memory:.0f} GiB."
    )


def main() -> None:
    """Run every measurement and write the page."""
    export = _measured("benchmarks.export_csv")
    with tempfile.TemporaryDirectory(prefix="prefect-jobs-bench-") as folder, running_stack(Path(folder)) as stack:
        addresses = ("--api-url", stack.api_url, "--prefect-api-url", stack.prefect_api_url)
        start = _measured("benchmarks.job_start", *addresses)
        page = _measured("benchmarks.page_latency", *addresses)
    viewer = _measured("benchmarks.log_viewer")
        stopping = _measured("benchmarks.stopping", *addresses)
    million = _measured("benchmarks.million")
    PAGE.write_text(
        "\n\n".join(
            [
                "# Benchmarks",
                "Written by `make bench`. Ratios are what to trust: both sides of each were measured in the same run.",
                _machine(),
                "## Export of a million events, beside the sqlite3 command line",
                export,
                "## From the request to the running job, beside plain Prefect",
                start,
                "## From a change in Prefect to the page",
                page,
                "## The log viewer, beside Prefect's page",
                viewer,
                "## Stopping jobs, beside Prefect's own cancel",
                stopping,
                "## A million jobs, beside Prefect's own answers",
                million,
            ]
        )
        + "\n",
        encoding="utf-8",
    )
    print(f"Wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
