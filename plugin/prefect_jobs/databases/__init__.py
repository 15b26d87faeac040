"""What the two stores share: reading a database's URL, setting SQLite right, and keeping the tables up to date."""

from prefect_jobs.databases.address import DatabaseNotOpened, DatabaseNotThere, Driver, database_address, not_opened
from prefect_jobs.databases.schema import NewerDatabase, Schema
from prefect_jobs.databases.sqlite import BEGIN, make_folder, prepare_sqlite

__all__ = [
    "BEGIN",
    "DatabaseNotOpened",
    "DatabaseNotThere",
    "Driver",
    "NewerDatabase",
    "Schema",
    "database_address",
    "make_folder",
    "not_opened",
    "prepare_sqlite",
]
