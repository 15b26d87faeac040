"""A job that shells out: let `tar` pack a folder, show how far it is, and publish the archive.

PREFECT_API_URL=http://127.0.0.1:4200/api python examples/archive_folder.py docs
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import get_run_logger

from prefect_jobs import checkpoint, job, progress, publish, step


@job("archive_folder", title="Archive a folder", description="Pack a folder with tar", timeout=3600)
def archive_folder(folder: Path) -> dict[str, object]:
    """Pack a folder.

    Args:
        folder: The folder.
    """
    with step("Counting"):
        expected = sum(1 for _ in folder.rglob("*")) + 1  # tar names the folder too
    with TemporaryDirectory() as scratch:
        archive = Path(scratch) / f"{folder.resolve().name}.tar.gz"
        with step("Packing"):
            pack(folder, archive, expected)
        with step("Publishing"):
            return {"file_path": publish(archive), "bytes": archive.stat().st_size}


def pack(folder: Path, archive: Path, expected: int) -> None:
    """Run tar, and end it when the job shall stop."""
    command = ["tar", "--create", "--gzip", "--verbose", "--file", str(archive), "--directory", str(folder), "."]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as tar:
        assert tar.stdout is not None
        try:
            for number, line in enumerate(tar.stdout, 1):
                get_run_logger().debug("tar: %s", line.rstrip())
                progress(min(number, expected), expected, f"Packed {number}/{expected}")
                checkpoint()
        except BaseException:  # also when the job is asked to stop
            tar.terminate()
            raise
    if tar.returncode != 0:
        raise RuntimeError(f"tar ended with exit code {tar.returncode}")


if __name__ == "__main__":
    archive_folder(Path(sys.argv[1]))
