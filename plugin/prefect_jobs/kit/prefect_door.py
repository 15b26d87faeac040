"""How a job's watch reaches Prefect and the adapter: the same server, the same credentials as the flow itself."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.settings import get_current_settings

from prefect_jobs.prefect_environment import ADAPTER_KEY, ADAPTER_URL, SIDECAR_KEY_FILE

PROXIES = ("http_proxy", "https_proxy", "all_proxy")

_adapter_key: str | None = None


@dataclass(frozen=True)
class Door:
    """Addresses, with what opens them; the fields of a sidecar's orders."""

    api_url: str
    api_headers: dict[str, str]
    trust: str | None
    adapter_url: str | None
    adapter_headers: dict[str, str]

    @property
    def needs_a_proxy(self) -> bool:
        """Whether Prefect may only be reached in a way that a sidecar does not know."""
        names = {name.lower() for name in os.environ}
        return not _is_loopback(self.api_url) and any(name in names for name in PROXIES)


def prefect_door(api_url: str) -> Door:
    """The door to the server at this address, with the credentials of the current settings."""
    settings = get_current_settings()
    headers = dict(settings.client.custom_headers)
    if settings.api.auth_string is not None:
        token = base64.b64encode(settings.api.auth_string.get_secret_value().encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    elif settings.api.key is not None:
        headers["Authorization"] = f"Bearer {settings.api.key.get_secret_value()}"
    adapter, key = os.environ.get(ADAPTER_URL), _key_of_the_adapter()
    return Door(
        api_url.rstrip("/"),
        headers,
        "" if settings.api.tls_insecure_skip_verify else _certificates(settings),
        f"{adapter.rstrip('/')}/api" if adapter else None,
        {"X-API-Key": key} if key else {},
    )


def _key_of_the_adapter() -> str | None:
    """The key, which the processes that a job starts have no business with."""
    global _adapter_key
    file = os.environ.pop(SIDECAR_KEY_FILE, None)
    _adapter_key = os.environ.pop(ADAPTER_KEY, None) or (file and _read(file)) or _adapter_key
    return _adapter_key


def _read(file: str) -> str | None:
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):  # the sidecar asks Prefect instead
        return None


def _certificates(settings: Any) -> str | None:
    if settings.api.ssl_cert_file:
        return str(settings.api.ssl_cert_file)
    if not settings.api.url or not settings.api.url.startswith("https:"):
        return None
    import certifi  # what Prefect's client believes in

    return certifi.where()


def _is_loopback(url: str) -> bool:
    return url.split("://", 1)[-1].startswith(("127.", "localhost", "[::1]"))
