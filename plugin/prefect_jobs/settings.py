"""Every setting in one place, each read from the environment as ``PREFECT_JOBS_<NAME>``."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Settings(BaseSettings):
    """Where prefect-jobs keeps its data, where it listens and whom it answers."""

    model_config = SettingsConfigDict(env_prefix="PREFECT_JOBS_", extra="ignore")

    data_dir: Path = Field(
        default=Path("~/.prefect-jobs"),
        description="Folder of everything prefect-jobs keeps on this machine: databases and finished files.",
    )
    host: str = Field(default="127.0.0.1", description="Address the API and the page listen on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port the API and the page listen on.")
    index_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL (async driver) of the job index; a SQLite file in the data folder when unset.",
    )
    events_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL of the event store; a SQLite file in the data folder when unset.",
    )
    exports_dir: Path | None = Field(
        default=None, description="Folder of finished export files; `exports` in the data folder when unset."
    )
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Origins, besides the server's own, whose pages may use the API (space-separated, "
        "such as `https://ops.example.org`). Their host names are accepted as `Host` too.",
    )
    work_pool: str = Field(default="jobs", description="Prefect work pool that `prefect-jobs work` serves.")

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value

    @property
    def address(self) -> str:
        """Where this machine finds the API and the page: ``http://127.0.0.1:8000``."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def data_path(self) -> Path:
        """The data folder as an absolute path."""
        return self.data_dir.expanduser().resolve()

    @property
    def exports_path(self) -> Path:
        """The folder of finished export files as an absolute path."""
        return (self.exports_dir or self.data_path / "exports").expanduser().resolve()

    @property
    def index_database(self) -> str:
        """The SQLAlchemy URL of the job index, with an async driver."""
        return self.index_url or f"sqlite+aiosqlite:///{self.data_path / 'index.db'}"

    @property
    def events_database(self) -> str:
        """The SQLAlchemy URL of the event store, with a sync driver."""
        return self.events_url or f"sqlite:///{self.data_path / 'events.db'}"
