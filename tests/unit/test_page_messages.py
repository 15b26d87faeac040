"""What a tab may say on its socket, message by message: everything the page sends, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prefect_jobs_ui.browser_messages import MOST_EVENTS, NotOurs, check

PARTS = {"p1015", "p1017"}
ASK = {"msgid": "1", "msgtype": "PULL-DOC-REQ"}
PATCH = {"msgid": "1", "msgtype": "PATCH-DOC"}
DRAWN = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": {
    "type": "event", "name": "document_ready", "values": {"type": "map"},
}}  # fmt: skip


def a_map(**fields: Any) -> dict[str, Any]:
    """An object as Bokeh's serializer in the browser writes it."""
    return {"type": "map", "entries": [[name, value] for name, value in fields.items()]}


def said(*, name: str = "data_event", model: Any = None, **data: Any) -> dict[str, Any]:
    """The event of one `send_msg` of the page."""
    values = a_map(model=model or {"id": "p1015"}, data=a_map(**data))
    return {
        "kind": "MessageSent",
        "msg_type": "bokeh_event",
        "msg_data": {"type": "event", "name": name, "values": values},
    }


def accepts(header: object, content: object, metadata: object = None) -> bool:
    fragments = [json.dumps(header), json.dumps(metadata or {}), json.dumps(content)]
    try:
        check(fragments, PARTS)
    except NotOurs:
        return False
    return True


@pytest.mark.parametrize(
    "event",
    [
        DRAWN,
        said(kind="ready", q="", status="", job_type=""),
        said(kind="filter", q="status:failed", status="failed", job_type="Extract, transform, load"),
        said(kind="rows", first=0, last=60),
        said(kind="hold", held=True),
        said(kind="refresh"),
        said(kind="select", job_id=None, model={"id": "p1017"}),
        said(kind="select", job_id="5d1c0f4e"),
    ],
)
def test_what_the_page_sends_is_taken(event: dict[str, Any]) -> None:
    assert accepts(PATCH, {"events": [event]})


def test_the_document_may_be_asked_for() -> None:
    assert accepts(ASK, {})


SET_SCRIPT = {"kind": "ModelChanged", "model": {"id": "p1017"}, "attr": "esm", "new": "alert(document.cookie)"}
CHANGES: dict[str, dict[str, Any]] = {
    "the script of a part": SET_SCRIPT,
    "the bundle of a part": {**SET_SCRIPT, "attr": "bundle", "new": None},
    "a property that the server sets": {**SET_SCRIPT, "attr": "notice", "new": "hello"},
    "a root": {"kind": "RootAdded", "model": {"type": "object", "name": "Div", "id": "p1"}},
    "no root": {"kind": "RootRemoved", "model": {"id": "p1017"}},
    "the title": {"kind": "TitleChanged", "title": "Jobs"},
    "columns": {"kind": "ColumnDataChanged", "model": {"id": "p1017"}, "attr": "data", "data": {}, "cols": None},
    "a stream": {"kind": "ColumnsStreamed", "model": {"id": "p1017"}, "attr": "data", "data": {}, "rollover": None},
    "a patch": {"kind": "ColumnsPatched", "model": {"id": "p1017"}, "attr": "data", "patches": {}},
    "an unknown kind": {"kind": "Anything"},
    "no kind": {},
}


@pytest.mark.parametrize("event", CHANGES.values(), ids=CHANGES)
def test_no_change_of_the_document_is_taken_neither_alone_nor_beside_what_is_ours(event: dict[str, Any]) -> None:
    assert not accepts(PATCH, {"events": [event]})
    assert not accepts(PATCH, {"events": [DRAWN, event]})


@pytest.mark.parametrize(
    "event",
    [
        said(kind="ready", q="", status=""),
        said(kind="ready", q="", status="", job_type="", esm="x"),
        said(kind="ready", q=None, status="", job_type=""),
        said(kind="rows", first=0, last=1.5),
        said(kind="rows", first=False, last=True),
        said(kind="rows", first=0, last={"type": "number", "value": "+inf"}),
        said(kind="rows", first=0, last={"type": "object", "name": "Div", "id": "p9"}),
        said(kind="hold", held="yes"),
        said(kind="select", job_id=["x"]),
        said(kind="exec", code="1"),
        said(kind=["ready"]),
        said(),
        said(kind="refresh", model={"id": "p9999"}),
        said(kind="refresh", model={"id": "p1015", "attributes": {}}),
        said(kind="refresh", model={"type": "object", "name": "Div", "id": "p1015"}),
        said(kind="refresh", name="esm_event"),
        said(kind="refresh", name="button_click"),
        {**said(kind="refresh"), "msg_type": "pyodide"},
        {**said(kind="refresh"), "more": 1},
        {**DRAWN, "msg_data": {"type": "event", "name": "document_ready", "values": a_map(model={"id": "p1015"})}},
        {**DRAWN, "msg_data": {"type": "event", "name": "connection_lost", "values": {"type": "map"}}},
        {**DRAWN, "msg_data": {"type": "event", "name": "document_ready", "values": {}}},
        {**DRAWN, "msg_data": {"type": "bytes", "data": "AAAA"}},
        "refresh",
        None,
    ],
)
def test_a_message_in_another_form_is_not_taken(event: object) -> None:
    assert not accepts(PATCH, {"events": [event]})


def test_a_field_that_stands_twice_is_not_taken() -> None:
    event = said(kind="refresh")
    event["msg_data"]["values"]["entries"].append(["model", {"id": "p1015"}])
    assert not accepts(PATCH, {"events": [event]})


@pytest.mark.parametrize(
    ("header", "content"),
    [
        ({**PATCH, "msgtype": "PUSH-DOC"}, {"doc": {"roots": []}}),
        ({**PATCH, "msgtype": "SERVER-INFO-REQ"}, {}),
        ({**PATCH, "msgtype": "PULL-DOC-REPLY"}, {}),
        ({**PATCH, "msgtype": "OK"}, {}),
        ({**PATCH, "msgtype": "ANYTHING"}, {}),
        ({**PATCH, "msgtype": None}, {}),
        ({"msgid": "1"}, {"events": [DRAWN]}),
        ({"msgtype": "PATCH-DOC"}, {"events": [DRAWN]}),
        ({**PATCH, "num_buffers": 1}, {"events": [DRAWN]}),
        ({**PATCH, "msgid": "x" * 1000}, {"events": [DRAWN]}),
        (PATCH, {"events": []}),
        (PATCH, {"events": [DRAWN] * (MOST_EVENTS + 1)}),
        (PATCH, {"events": [DRAWN], "references": []}),
        (PATCH, {"events": {"0": DRAWN}}),
        (PATCH, []),
        (PATCH, None),
        (ASK, {"all": True}),
        ([], {}),
        ("PATCH-DOC", {}),
    ],
)
def test_a_message_of_another_kind_is_not_taken(header: object, content: object) -> None:
    assert not accepts(header, content)


def test_metadata_is_not_taken() -> None:
    assert not accepts(PATCH, {"events": [DRAWN]}, {"to": "everybody"})


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, '{"events": ' + "9" * 10_000 + "}"])
def test_what_is_no_json_is_not_taken(content: str) -> None:
    with pytest.raises(NotOurs):
        check([json.dumps(PATCH), "{}", content], PARTS)
