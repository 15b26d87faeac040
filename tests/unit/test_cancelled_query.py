"""Incident: one stop of the adapter in about a hundred hung for ever, waiting for a thread that had ended already."""

import asyncio
from typing import Any

import pytest

from prefect_jobs.store.database import Database


@pytest.mark.only_on("sqlite")
async def test_closing_a_connection_ends_even_when_its_thread_is_stopped_meanwhile(database: Database) -> None:
    """SQLAlchemy does both to the connection of a query that is cancelled twice."""
    async with database.reading() as connection:
        raw: Any = await connection.get_raw_connection()
        driver = raw.driver_connection
        closing = asyncio.create_task(driver.close())
        await asyncio.sleep(0)  # the thread is asked to close

        driver.stop()

        async with asyncio.timeout(10):
            await closing
        await connection.invalidate()
