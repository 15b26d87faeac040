"""What a tab may say on its socket. Bokeh lets a browser change everything, so what the page never says is refused.

A PATCH-DOC of Bokeh's protocol may set any property of any model. One that replaces a part's `esm` or `bundle` is
script in the browser of whoever looks at that document, so nothing is passed on unread. A tab asks for its document,
says that it is drawn, and its three parts send what `send_msg` in `js/` sends: the shapes below are all there is.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

LONGEST_FRAGMENT = 131_072
"""Characters of one frame: more than the longest search that an address can carry."""
MOST_EVENTS = 100


class NotOurs(Exception):
    """The tab said what the page never says."""


class _Shape(BaseModel):
    """Exactly these fields, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Filter(_Shape):
    kind: Literal["ready", "filter"]
    q: str
    status: str
    job_type: str


class _Rows(_Shape):
    kind: Literal["rows"]
    first: int
    last: int


class _Hold(_Shape):
    kind: Literal["hold"]
    held: bool


class _Refresh(_Shape):
    kind: Literal["refresh"]


class _Select(_Shape):
    kind: Literal["select"]
    job_id: str | None


def _map(value: Any) -> dict[str, Any]:
    """An object as Bokeh's serializer writes it: `{"type": "map", "entries": [[key, value], …]}`."""
    written = _Map.model_validate(value)
    pairs = dict(written.entries)
    if len(pairs) != len(written.entries):
        raise ValueError("a name that stands there twice")
    return pairs


class _Map(_Shape):
    type: Literal["map"]
    entries: list[Annotated[tuple[str, Any], Field(strict=False)]] = []  # JSON has no tuples


class _ModelRef(_Shape):
    id: str


class _Nothing(_Shape):
    pass


class _Message(_Shape):
    model: _ModelRef
    data: Annotated[_Filter | _Rows | _Hold | _Refresh | _Select, Field(discriminator="kind"), BeforeValidator(_map)]


class _DocumentReady(_Shape):
    type: Literal["event"]
    name: Literal["document_ready"]
    values: Annotated[_Nothing, BeforeValidator(_map)]


class _DataEvent(_Shape):
    type: Literal["event"]
    name: Literal["data_event"]
    values: Annotated[_Message, BeforeValidator(_map)]


class _MessageSent(_Shape):
    kind: Literal["MessageSent"]
    msg_type: Literal["bokeh_event"]
    msg_data: Annotated[_DocumentReady | _DataEvent, Field(discriminator="name")]


class _Patch(_Shape):
    events: Annotated[list[_MessageSent], Field(min_length=1, max_length=MOST_EVENTS)]


class _Header(_Shape):
    msgid: Annotated[str, Field(max_length=100)]
    msgtype: Literal["PULL-DOC-REQ", "PATCH-DOC"]
    num_buffers: Literal[0] = 0


def check(fragments: Sequence[str], parts: Collection[str]) -> None:
    """Check one whole message: its header, metadata and content as they arrived. `parts` are the page's models, by id.

    Raises:
        NotOurs: the page does not send this.
    """
    try:
        header, metadata, content = (json.loads(fragment) for fragment in fragments)
        kind = _Header.model_validate(header).msgtype
        _Nothing.model_validate(metadata)
        if kind == "PULL-DOC-REQ":
            _Nothing.model_validate(content)
            return
        for event in _Patch.model_validate(content).events:
            told = event.msg_data
            if isinstance(told, _DataEvent) and told.values.model.id not in parts:
                raise NotOurs
    except (ValidationError, ValueError, RecursionError) as error:
        raise NotOurs from error
