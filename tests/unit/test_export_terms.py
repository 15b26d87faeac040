"""The terms of export files: there with the file, and when in doubt the file stays."""

from pathlib import Path

import pytest

from prefect_jobs.export_terms import ExportTerms, TermsUnreadable, forget_terms, read_terms, write_terms

NAME = "events_export_20260304_081552_5d1c0f4e.csv"
TERMS = ExportTerms("5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10", 30, True, {"case": "A-17"})


def test_terms_come_back_as_they_were_written_and_are_their_owners_alone(tmp_path: Path) -> None:
    write_terms(tmp_path, NAME, TERMS)
    assert read_terms(tmp_path, NAME) == TERMS
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    forget_terms(tmp_path, NAME)
    forget_terms(tmp_path, NAME)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_terms_has_none(tmp_path: Path) -> None:
    assert read_terms(tmp_path, NAME) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"job_id": "x", "surprise": 1}', "null"])
def test_terms_that_cannot_be_read_are_no_missing_terms(tmp_path: Path, content: str) -> None:
    """A file under legal hold must not be removed because the note that says so was damaged."""
    write_terms(tmp_path, NAME, TERMS)
    next(tmp_path.iterdir()).write_text(content)
    with pytest.raises(TermsUnreadable, match=NAME):
        read_terms(tmp_path, NAME)
