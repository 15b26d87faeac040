"""Rebuild the page's script: `.venv/bin/python ui/build_bundle.py`. Needs npm; nothing else in the project does.

The bundle is committed, so that installing and testing need no Node. `dist/bundle.json` keeps the hashes of the sources
it was made from and of the bundle itself: a test compares both, so that neither can be forgotten or edited by hand.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE / "prefect_jobs_ui"
BUNDLE = PACKAGE / "dist" / "jobs.bundle.js"
RECORD = PACKAGE / "dist" / "bundle.json"
BUNDLED_PACKAGES = ("preact", "htm")


def hashes() -> dict[str, str]:
    """The hashes of what is on disk now: of all sources of the bundle, and of the bundle."""
    sources = hashlib.sha256()
    for path in [HERE / "package.json", HERE / "package-lock.json", *sorted((PACKAGE / "js").glob("*.js"))]:
        sources.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return {"sources": sources.hexdigest(), "bundle": hashlib.sha256(BUNDLE.read_bytes()).hexdigest()}


def build() -> None:
    """Install the pinned packages in a folder of its own, bundle with `panel compile`, record the hashes."""
    with tempfile.TemporaryDirectory(prefix="prefect-jobs-page-") as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
        modules = Path(folder) / "node_modules"
        path = f"{modules / '.bin'}{os.pathsep}{os.environ['PATH']}"
        compile_page = (
            sys.executable, "-m", "panel", "compile", "prefect_jobs_ui.components",
            "--build-dir", folder, "--skip-npm",
        )  # fmt: skip
        BUNDLE.write_bytes(b"")  # Panel wants the file to be there before it writes it
        # Not checked: Panel 1.9's `compile` answers 1 when it succeeds. The bundle's size tells.
        _run(*compile_page, cwd=str(HERE), path=path, check=False)
        if not BUNDLE.stat().st_size:
            raise SystemExit("panel compile wrote no bundle; its message is above")
        licenses = [f"{name}\n\n{(modules / name / 'LICENSE').read_text()}" for name in BUNDLED_PACKAGES]
        BUNDLE.with_name("jobs.bundle.LICENSES.txt").write_text("\n\n".join(licenses))
    RECORD.write_text(json.dumps(hashes(), indent=2) + "\n")


def _run(*command: str, cwd: str, path: str | None = None, check: bool = True) -> None:
    environment = dict(os.environ) if path is None else {**os.environ, "PATH": path}
    subprocess.run(command, cwd=cwd, env=environment, check=check)


if __name__ == "__main__":
    build()
