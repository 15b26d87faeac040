"""Requests that nobody thought of, made from the OpenAPI schema by schemathesis."""

from collections.abc import Generator

import pytest

from tests.fuzz.target import Target, serving


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Generator[Target]:
    """The application in front of the shipped fake of Prefect."""
    with serving(tmp_path_factory.mktemp("fuzz")) as opened:
        yield opened
