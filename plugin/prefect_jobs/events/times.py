"""SQLite has no type for instants, and turning a million of them from text into objects and back costs seconds.

Here an instant is stored on SQLite as the very text an export prints: ISO 8601 in UTC, always with microseconds, so
that text order is time order and printing is free. Other databases keep their own type with a time zone.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator
from sqlalchemy import DateTime, Dialect, String
from sqlalchemy.types import TypeDecorator, TypeEngine

from prefect_jobs.iso_time import as_utc, read_time

ISO_WIDTH = len("2026-03-04T08:15:00.120345+00:00")


def iso_utc(moment: datetime) -> str:
    """The instant as ISO 8601 in UTC with microseconds: `2026-03-04T08:15:00.120345+00:00`."""
    return as_utc(moment).isoformat(timespec="microseconds")


def read_iso(moment: str) -> datetime:
    """The instant that a text as of `iso_utc` says. Raises `ValueError`."""
    if not isinstance(moment, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # it comes from a file
        raise ValueError(f"It is no time: {moment!r}")
    return read_time(moment)


def _event_time(value: object) -> object:
    """Read the text of a job's parameter; Pydantic alone would take numbers, and guess what they count."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("A time is written as text, in ISO 8601")
    return read_time(value)


EventTime = Annotated[datetime, BeforeValidator(_event_time)]
"""A time as a parameter of a job on events; without an offset it is UTC."""


def _column_type(dialect: Dialect) -> TypeEngine[Any]:
    if dialect.name == "sqlite":
        return dialect.type_descriptor(String(ISO_WIDTH))
    return dialect.type_descriptor(DateTime(timezone=True))


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware datetimes in UTC on the Python side."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, a timestamp with time zone elsewhere."""
        return _column_type(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """What the driver gets: text on SQLite, an aware datetime elsewhere."""
        if value is None:
            return None
        return iso_utc(value) if dialect.name == "sqlite" else as_utc(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """An aware datetime in UTC."""
        if value is None:
            return None
        return datetime.fromisoformat(value) if isinstance(value, str) else as_utc(value)


class IsoUtcText(TypeDecorator[str]):
    """The same column, read as the text that an export prints; for reading only."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type that `UtcDateTime` stores."""
        return _column_type(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """No work on SQLite, where the column already holds the text."""
        return None if dialect.name == "sqlite" else _iso_utc_or_none


def _iso_utc_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else iso_utc(moment)
