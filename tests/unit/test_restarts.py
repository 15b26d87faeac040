"""What `up` had to start again, as it is kept for the adapter's readiness."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect_jobs.restarts import FILE, RestartBook, recent_restarts


def test_what_was_started_again_is_known_to_another_process_until_it_is_old(tmp_path: Path) -> None:
    book = RestartBook(tmp_path)
    book.ended("prefect", "lives and did not answer for 30 seconds", silent=True)
    book.ended("work", "was ended by SIGKILL", silent=False)
    book.back("work")

    now = datetime.now(UTC)
    server, worker = recent_restarts(tmp_path, now=now)
    assert server.sentence == "prefect lives and did not answer for 30 seconds; it is being started again"
    assert worker.sentence == "work was ended by SIGKILL; it was started again"
    assert (server.silent, worker.silent) == (True, False)
    assert recent_restarts(tmp_path, now=now + timedelta(hours=2)) == []
    assert os.stat(tmp_path / FILE).st_mode & 0o777 == 0o600


def test_a_new_up_knows_nothing_of_the_last_ones_and_one_that_ends_leaves_nothing(tmp_path: Path) -> None:
    RestartBook(tmp_path).ended("work", "was ended by SIGKILL", silent=False)

    book = RestartBook(tmp_path)
    assert recent_restarts(tmp_path, now=datetime.now(UTC)) == []
    book.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    for text in ("{", "[1]", '[{"name": "work"}]', "null"):
        (tmp_path / FILE).write_text(text)
        assert recent_restarts(tmp_path, now=datetime.now(UTC)) == []
