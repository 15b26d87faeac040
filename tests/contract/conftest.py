"""The contract is tested over HTTP against the live stack; runs are made through Prefect's own client."""

from collections.abc import Generator

import pytest

from tests.contract.runs import Runs, open_runs
from tests.prefect_api import PrefectApi
from tests.stack import Stack


@pytest.fixture(scope="session")
def runs(stack: Stack) -> Generator[Runs]:
    with open_runs(stack.prefect_api_url) as opened:
        yield opened


@pytest.fixture
def prefect(stack: Stack) -> Generator[PrefectApi]:
    with PrefectApi.of(stack) as prefect:
        yield prefect
