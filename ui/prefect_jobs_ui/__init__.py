"""The jobs page. It knows the wire contract and nothing else of the plugin, and speaks HTTP to it.

Importing this package is light: Panel costs seconds and is imported only when a page is mounted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from prefect_jobs_ui.mounting import MountedPage

__all__ = ["mount_page"]


def mount_page(
    app: FastAPI,
    *,
    api_url: str,
    path: str = "/jobs",
    allowed_origins: Sequence[str] = (),
    frame_origins: Sequence[str] = (),
) -> MountedPage:
    """Add the jobs page to `app`: its routes, its socket, its static files and its share of the lifespan.

    `api_url` is where the jobs API answers, as seen from this process (such as `http://127.0.0.1:8000`); the API may
    be `app` itself. Pages of `allowed_origins` may open the page's socket besides the page's own host, and those of
    `frame_origins` may show the page in a frame.

    Raises:
        ValueError: `path` is more than one segment, or one of `frame_origins` is no origin.
    """
    from prefect_jobs_ui.mounting import mount

    return mount(app, api_url=api_url, path=path, allowed_origins=allowed_origins, frame_origins=frame_origins)
