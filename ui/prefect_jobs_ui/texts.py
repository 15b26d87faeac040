"""The words of the page, in one file for both of its sides: a translation is `texts.json` in another language."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

TEXTS = cast(
    "dict[str, str | list[str]]", json.loads(Path(__file__).with_name("texts.json").read_text(encoding="utf-8"))
)
"""Each text by its name; those that count have two forms, for one and for more."""


def text(name: str, count: int | None = None, **values: str) -> str:
    """The text of this name, with `{name}` filled in; `count` chooses the form and fills `{n}`."""
    form = TEXTS[name]
    if isinstance(form, list):
        form = form[0 if count == 1 else 1]
    if count is not None:
        values["n"] = f"{count:,}"
    return form.format(**values)
