"""Measures everything, or what is named, and writes it into docs/benchmarks.md: `make bench`, or
`python -m benchmarks million log_tail`. The sections of what is not measured stay as they are, with their own date."""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.stack import running_stack

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `make bench`. Ratios are what to trust: both sides of each were measured in the same run."""

SECTIONS = {
    "export_csv": "Export of a million events, beside the sqlite3 command line",
    "import_csv": "Import of a million events, beside the sqlite3 command line",
    "job_start": "From the request to the running job, beside plain Prefect",
    "page_latency": "From a change in Prefect to the page",
    "stopping": "Stopping jobs, beside Prefect's own cancel",
    "million": "A million jobs, beside Prefect's own answers",
    "log_tail": "A log of a million lines",
    "page_open": "Opening the page, beside Prefect's page",
    "log_viewer": "The log viewer, beside Prefect's page",
}
"""What is measured, by module, in the order of the page."""
ON_ONE_STACK = ("job_start", "page_latency", "stopping")
"""Those that share one running stack, whose addresses they are told."""


def _measured(name: str, *arguments: str) -> str:
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    print("==", " ".join(command[2:]), file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return f"## {SECTIONS[name]}\n\n{_machine()}\n\n{done.stdout.strip()}"


def _machine() -> str:
    [model] = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())[:1] or ["unknown processor"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("prefect", "fastapi", "sqlalchemy", "panel"))
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with prefect-jobs {version('prefect-jobs')}, {versions} and Python "
        f"{platform.python_version()}, on {os.cpu_count()} cores of {model} with {memory:.0f} GiB."
    )


@contextmanager
def _addresses(wanted: Iterable[str]) -> Generator[Sequence[str]]:
    if not set(wanted) & set(ON_ONE_STACK):
        yield ()
        return
    with tempfile.TemporaryDirectory(prefix="prefect-jobs-bench-") as folder, running_stack(Path(folder)) as stack:
        yield "--api-url", stack.api_url, "--prefect-api-url", stack.prefect_api_url


def _write(found: dict[str, str]) -> None:
    known = {part.partition("\n")[0]: f"## {part.strip()}" for part in PAGE.read_text("utf-8").split("\n## ")[1:]}
    parts = [found.get(name) or known.get(title) for name, title in SECTIONS.items()]
    PAGE.write_text("\n\n".join([HEAD, *filter(None, parts)]) + "\n", encoding="utf-8")


def main() -> None:
    """Measure, and write the page after each measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"what to measure of {', '.join(SECTIONS)}; everything when left out")
    wanted = parser.parse_args().name or [*SECTIONS]
    if unknown := set(wanted) - SECTIONS.keys():
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    found: dict[str, str] = {}
    with _addresses(wanted) as addresses:
        for name in (name for name in ON_ONE_STACK if name in wanted):
            found[name] = _measured(name, *addresses)
            _write(found)
    for name in (name for name in SECTIONS if name in wanted and name not in ON_ONE_STACK):
        found[name] = _measured(name)
        _write(found)
    print(f"Wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
