"""A job with mapped tasks: hash every file of a folder, several at once, and publish the list.

PREFECT_API_URL=http://127.0.0.1:4200/api python examples/hash_files.py docs
"""

import hashlib
import sys
from pathlib import Path

from prefect import task
from prefect.futures import wait

from prefect_jobs import checkpoint, job, progress, publishing, step

CHUNK = 1 << 20


@task(task_run_name="hash {file.name}")
def hash_file(file: Path) -> str:
    """The SHA-256 of a file; stops between two chunks."""
    digest = hashlib.sha256()
    with open(file, "rb") as content:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            checkpoint()
    return digest.hexdigest()


@job("hash_files", title="Hash files", description="Hash every file of a folder, and publish the list", retries=1)
def hash_files(folder: Path, pattern: str = "**/*") -> dict[str, object]:
    """Hash the files of a folder.

    Args:
        folder: The folder.
        pattern: Which of its files.
    """
    with step("Looking for files"):
        files = sorted(path for path in folder.glob(pattern) if path.is_file())
    with step("Hashing"):
        hashes = hash_file.map(files)
        for number, future in enumerate(hashes, 1):
            wait([future])
            checkpoint()
            progress(number, len(files), f"Hashed file {number}/{len(files)}")
    with step("Publishing the list"), publishing("sha256sums.txt") as published:
        for file, digest in zip(files, hashes.result(), strict=True):
            published.file.write(f"{digest}  {file.relative_to(folder)}\n".encode())
    return {"file_path": published.url, "files": len(files)}


if __name__ == "__main__":
    hash_files(Path(sys.argv[1]))
