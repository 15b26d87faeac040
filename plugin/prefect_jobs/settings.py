"""Every setting in one place, each read from the environment as ``PREFECT_JOBS_<NAME>``."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from prefect_jobs.api_keys import ApiKey, merge_keys, parse_keys
from prefect_jobs.on_stop import OnStop

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Settings(BaseSettings):
    """Where prefect-jobs keeps its data, where it listens and whom it answers."""

    model_config = SettingsConfigDict(
        env_prefix="PREFECT_JOBS_",
        extra="ignore",
        hide_input_in_errors=True,  # it may be a key
    )

    data_dir: Path = Field(
        default=Path("~/.prefect-jobs"),
        description="Folder of everything prefect-jobs keeps on this machine: databases and finished files.",
    )
    host: str = Field(default="127.0.0.1", description="Address the API and the page listen on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port the API and the page listen on.")
    index_url: str | None = Field(
        default=None,
        repr=False,
        description="URL of the job index, SQLite or PostgreSQL; a SQLite file in the data folder when unset.",
    )
    events_url: str | None = Field(
        default=None,
        repr=False,
        description="URL of the event store, SQLite or PostgreSQL; a SQLite file in the data folder when unset.",
    )
    exports_dir: Path | None = Field(
        default=None, description="Folder of finished export files; `exports` in the data folder when unset."
    )
    imports_dir: Path | None = Field(
        default=None, description="Folder whose files jobs may import; `imports` in the data folder when unset."
    )
    uploads_dir: Path | None = Field(
        default=None,
        description="Folder of files that were sent to the API and wait for their job; `uploads` in the data folder "
        "when unset.",
    )
    backups_dir: Path | None = Field(
        default=None, description="Folder of finished backups; `backups` in the data folder when unset."
    )
    upload_limit: int = Field(default=2**30, ge=1, description="Bytes that a file sent to the API may have.")
    unpacked_limit: int = Field(
        default=2**33, ge=1, description="Bytes that the files in an archive may take altogether once unpacked."
    )
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Origins, besides the server's own, whose pages may use the API (space-separated, "
        "such as `https://ops.example.org`). Their host names are accepted as `Host` too.",
    )
    frame_origins: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Origins, besides the server's own, whose pages may frame the jobs page (space-separated).",
    )
    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = Field(
        default=(),
        repr=False,
        exclude=True,
        description="Keys that open the API, each `name:role:key`, separated by spaces; with none the API is open.",
    )
    api_keys_file: Path | None = Field(
        default=None, description="File of further keys, one `name:role:key` a line; a line that begins with # is none."
    )
    session_hours: float = Field(
        default=12.0, gt=0, le=24 * 365, description="Hours after which who signed in with a key must do so again."
    )
    head_timeout: float = Field(
        default=15.0,
        gt=0,
        le=3600,
        description="Seconds within which the head of a request must be whole; a connection that asks nothing is "
        "closed then.",
    )
    body_timeout: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="Seconds within which the body of a request must be whole; a file that is sent must get on within "
        "them.",
    )
    send_timeout: float = Field(
        default=60.0, gt=0, le=3600, description="Seconds that a client may take nothing of its answer."
    )
    connection_limit: int = Field(
        default=10_000,
        ge=16,
        le=1_000_000,
        description="Connections at a time, as long as the system's limit of descriptors leaves room; at the limit the "
        "one that has asked nothing for longest makes room.",
    )
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed "
        "(space-separated, such as `127.0.0.1 10.0.0.0/8`).",
    )
    statement_timeout: float = Field(
        default=5.0, gt=0, le=3600, description="Seconds that one question to the job index may take."
    )
    prefect_reads_per_second: float = Field(
        default=5.0,
        gt=0,
        le=1000,
        description="Requests a second that keeping the index true may cause at Prefect. The first reading of all "
        "jobs does not wait for it, nor does what was promised of active jobs.",
    )
    sweep_seconds: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="Seconds between two readings of all jobs, from the end of one to the beginning of the next.",
    )
    unheard_after: float = Field(
        default=900.0,
        ge=0,
        le=30 * 86_400,
        description="Seconds without a sign of life after which a running job is ended as crashed; 0: never. It must "
        "be several of Prefect's `PREFECT_FLOWS_HEARTBEAT_FREQUENCY` (180).",
    )
    access_log: bool = Field(
        default=True, description="Whether `prefect-jobs serve` writes a line of JSON for each request."
    )
    log_reads_per_second: float = Field(
        default=40.0, gt=0, le=10_000, description="Questions about logs that Prefect is asked at most, a second."
    )
    log_days: float = Field(
        default=30.0, gt=0, le=36_500, description="Days that the copy of an ended job's log is kept unread."
    )
    log_lines: int = Field(
        default=20_000_000,
        ge=0,
        description="Log lines of all jobs whose copies are kept; beyond, the longest unread go.",
    )
    model_url: str | None = Field(
        default=None,
        description="Base address of a language model's OpenAI-compatible API, such as `https://models.example/v1`, "
        "that audits and scores events. Without one, rules alone do.",
    )
    model_name: str = Field(default="default", description="Name of the language model.")
    model_key: SecretStr | None = Field(default=None, exclude=True, description="Key of the language model's API.")
    model_timeout: float = Field(default=60.0, gt=0, le=3600, description="Seconds that one answer of it may take.")
    model_requests_per_minute: float = Field(
        default=60.0, gt=0, le=100_000, description="Questions that one job asks it at most, a minute."
    )
    model_retry_pause: float = Field(
        default=1.0, ge=0, le=60, description="Seconds before a question is asked again; each further pause is doubled."
    )
    work_pool: str = Field(default="jobs", description="Prefect work pool that `prefect-jobs work` serves.")
    worker_limit: int = Field(default=10, ge=1, description="How many jobs `prefect-jobs work` runs at once.")
    on_stop: OnStop | None = Field(
        default=None,
        description="What a worker that is told to stop does with its jobs: `finish` them, `hand-back` them to the "
        "queue, or `stop` them, so that they end as crashed. Unset, `work` finishes and `up` stops them.",
    )

    @field_validator("allowed_origins", "frame_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: list[str]) -> list[str]:
        for proxy in proxies:
            ip_network(proxy)  # its error names what is wrong
        return proxies

    @field_validator("api_keys", mode="before")
    @classmethod
    def _read_keys(cls, value: object) -> object:
        return parse_keys(value.split()) if isinstance(value, str) else value

    def every_api_key(self) -> tuple[ApiKey, ...]:
        """The keys of the setting and of the file.

        Raises:
            ValueError: the file holds something that is no key, or two keys are alike.
            OSError: the file cannot be read.
        """
        if self.api_keys_file is None:
            return self.api_keys
        lines = (line.strip() for line in self.api_keys_file.expanduser().read_text(encoding="utf-8").splitlines())
        return merge_keys(self.api_keys, parse_keys(line for line in lines if line and not line.startswith("#")))

    @property
    def listens_to_others(self) -> bool:
        """Whether other machines can reach the API."""
        return self.host not in LOOPBACK_HOSTS

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
    def imports_path(self) -> Path:
        """The folder whose files jobs may import, as an absolute path."""
        return (self.imports_dir or self.data_path / "imports").expanduser().resolve()

    @property
    def uploads_path(self) -> Path:
        """The folder of files that were sent to the API, as an absolute path."""
        return (self.uploads_dir or self.data_path / "uploads").expanduser().resolve()

    @property
    def backups_path(self) -> Path:
        """The folder of finished backups, as an absolute path."""
        return (self.backups_dir or self.data_path / "backups").expanduser().resolve()

    @property
    def scratch_path(self) -> Path:
        """The folder of what jobs need on disk while they are at work, as an absolute path."""
        return self.data_path / "scratch"

    @property
    def index_database(self) -> str:
        """The URL of the job index."""
        return self.index_url or f"sqlite:///{self.data_path / 'index.db'}"

    @property
    def events_database(self) -> str:
        """The URL of the event store."""
        return self.events_url or f"sqlite:///{self.data_path / 'events.db'}"
