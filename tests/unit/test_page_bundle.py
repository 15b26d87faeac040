"""The page's script is committed built, so that nobody needs Node: it must belong to its sources."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

UI = Path(__file__).parents[2] / "ui"


def test_the_committed_bundle_belongs_to_the_committed_sources() -> None:
    spec = spec_from_file_location("build_bundle", UI / "build_bundle.py")
    assert spec is not None
    assert spec.loader is not None
    build_bundle = module_from_spec(spec)
    spec.loader.exec_module(build_bundle)

    recorded = json.loads((UI / "prefect_jobs_ui" / "dist" / "bundle.json").read_text())

    assert recorded == build_bundle.hashes(), "rebuild it: .venv/bin/python ui/build_bundle.py"


def test_nothing_of_the_page_names_another_host() -> None:
    lock = (UI / "package-lock.json").read_text()
    assert "resolved" not in lock

    for path in (UI / "prefect_jobs_ui").rglob("*"):
        if path.suffix in (".js", ".css", ".html", ".py"):
            hosts = [line for line in path.read_text().splitlines() if "https://" in line]
            assert hosts == [], path


def test_importing_the_package_does_not_import_panel() -> None:
    # Prefect imports every registered collection when it starts, and Panel costs seconds.
    code = "import sys, prefect_jobs_ui; print('panel' in sys.modules or 'bokeh' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
