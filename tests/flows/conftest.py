"""Job types run here in the test's own process, against the real Prefect server of the stack."""

from collections.abc import Generator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.flows.runs import Prefect
from tests.stack import Stack


@pytest.fixture(scope="session")
def prefect(stack: Stack) -> Generator[Prefect]:
    """The stack's server, which this process's flows report to."""
    with temporary_settings({PREFECT_API_URL: stack.prefect_api_url}), Prefect(stack.prefect_api_url) as prefect:
        yield prefect


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """An export folder of the test's own."""
    return tmp_path / "exports"
