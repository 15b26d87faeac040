"""The page's pure modules, each asked in the browser it runs in: scrolling, edits, forms, series, words."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from prefect_jobs_ui.first_rows import distance
from tests.ui.conftest import serve
from tests.ui.contract_double import ContractDouble

Run = Callable[[str, str, Any], Awaitable[Any]]


@pytest.fixture(scope="module")
async def page(browser: Browser) -> AsyncGenerator[Page]:
    """One page for all: nothing here changes it."""
    site = await serve(ContractDouble())
    context = await browser.new_context(timezone_id="Europe/Berlin")
    opened = await context.new_page()
    await opened.goto(f"{site.url}/jobs")
    yield opened
    await context.close()
    await site.stop()


@pytest.fixture
def run(page: Page) -> Run:
    """Call a function of a module: `run("words.js", "(m, x) => m.f(x)", x)`."""

    async def call(module: str, code: str, argument: Any = None) -> Any:
        script = f"async (argument) => ({code})(await import(new URL('sources/{module}', document.baseURI)), argument)"
        return await page.evaluate(script, argument)

    return call


# -- a list too tall for a browser ----------------------------------------------------------------------------------

WALK = """({TallScroll}, {rows, moves}) => {
    const scroll = new TallScroll(82)
    scroll.resize(rows, 800)
    return moves.map(([kind, by]) => {
        if (kind === "wheel") scroll.scrolled(Math.min(scroll.height - 800, Math.max(0, scroll.physical + by)))
        else if (kind === "drag") scroll.scrolled(by * (scroll.height - 800))
        else scroll.reveal(by)
        return {top: scroll.top, physical: scroll.physical, visible: scroll.visible, height: scroll.height}
    })
}"""


async def test_a_hundred_rows_scroll_as_the_browser_does(run: Run) -> None:
    moves = [["wheel", 100], ["wheel", 100], ["drag", 1], ["drag", 0]]
    places = await run("tall_scroll.js", WALK, {"rows": 100, "moves": moves})

    assert [place["top"] for place in places] == [100, 200, 7400, 0]
    assert all(place["top"] == place["physical"] for place in places)


async def test_a_million_rows_fit_the_browsers_limit_and_every_pixel_can_be_reached(run: Run) -> None:
    moves = [["drag", 1], ["wheel", -100], ["drag", 0.5], ["wheel", 3], ["drag", 0], ["wheel", 100], ["show", 999_999]]
    last, above, middle, fine, first, next_, row = await run(
        "tall_scroll.js", WALK, {"rows": 1_000_000, "moves": moves}
    )

    assert last["height"] <= 16_000_000
    for place in (last, above, middle, fine, first, next_, row):  # where a browser can put its scroll bar
        assert 0 <= place["physical"] <= last["height"] - 800
    assert last["visible"][1] == 1_000_000
    assert last["top"] == 82_000_000 - 800
    assert above["top"] == last["top"] - 100
    assert middle["top"] == pytest.approx(41_000_000, rel=0.01)
    assert fine["top"] == middle["top"] + 3
    assert (first["top"], next_["top"]) == (0, 100)
    assert row["visible"][1] == 1_000_000


async def test_a_wheel_that_turns_for_long_passes_every_row_once(run: Run) -> None:
    walked = await run(
        "tall_scroll.js",
        """({TallScroll}) => {
            const scroll = new TallScroll(82)
            scroll.resize(1000000, 800)
            let worst = 0
            for (let turn = 1; turn <= 30000; turn++) {
                scroll.scrolled(scroll.physical + 100)
                worst = Math.max(worst, Math.abs(scroll.top - turn * 100))
                if (scroll.physical < 0 || scroll.physical > scroll.height - 800) return "out of the box"
            }
            return worst
        }""",
        None,
    )

    assert walked == 0


# -- the copy of the rows -------------------------------------------------------------------------------------------


async def test_edits_above_what_is_read_move_it_and_edits_below_do_not(run: Run) -> None:
    code = """({applyEdits}, edits) => {
        const rows = {start: 100, total: 200, cards: ["a", "b", "c", "d"].map((job_id) => ({job_id}))}
        const {rows: next, above} = applyEdits(rows, edits, 102)
        return [next.cards.map(({job_id}) => job_id).join(""), next.total, above]
    }"""
    new = {"job_id": "n"}

    assert await run("list_rows.js", code, [{"kind": "insert", "at": 101, "card": new}]) == ["anbcd", 201, 1]
    assert await run("list_rows.js", code, [{"kind": "insert", "at": 103, "card": new}]) == ["abcnd", 201, 0]
    assert await run("list_rows.js", code, [{"kind": "remove", "at": 100}, {"kind": "remove", "at": 102}]) == [
        "bc", 198, -1,
    ]  # fmt: skip
    assert await run("list_rows.js", code, [{"kind": "put", "at": 101, "card": new}]) == ["ancd", 200, 0]
    assert await run("list_rows.js", code, [{"kind": "trim", "at": 102}]) == ["ab", 200, 0]


@pytest.mark.parametrize(
    ("loaded", "seen", "asked"),
    [
        ([0, 50, 50], [0, 10], None),
        ([0, 50, 1000], [0, 10], None),
        ([0, 50, 1000], [35, 48], {"first": 0, "last": 88}),
        ([0, 50, 1000], [500, 510], {"first": 460, "last": 550}),
        ([460, 90, 1000], [505, 515], None),
        ([460, 90, 1000], [465, 475], {"first": 425, "last": 515}),
        ([0, 0, 0], [0, 0], None),
    ],
)
async def test_rows_are_asked_for_before_they_are_missed(
    run: Run, loaded: list[int], seen: list[int], asked: dict[str, int] | None
) -> None:
    code = "({lacking}, [[start, count, total], seen]) => lacking({start, total, cards: Array(count)}, seen)"

    assert await run("list_rows.js", code, [loaded, seen]) == asked


# -- a form from a schema -------------------------------------------------------------------------------------------

FORM = """({fieldsOf, parametersOf}, {schema, given, typed}) => {
    const fields = fieldsOf(schema, given ?? {})
    const texts = {...Object.fromEntries(fields.map(({name, value}) => [name, value])), ...typed}
    const kinds = Object.fromEntries(fields.map(({name, kind}) => [name, kind]))
    return {kinds, texts, ...parametersOf(fields, texts)}
}"""
SCHEMA = {
    "type": "object",
    "required": ["format", "name"],
    "$defs": {"Level": {"enum": ["low", "high"], "type": "string"}},
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$", "position": 1},
        "format": {"type": "string", "enum": ["csv", "json"], "default": "csv", "position": 0},
        "level": {"anyOf": [{"$ref": "#/$defs/Level"}, {"type": "null"}], "default": None, "position": 2},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10, "position": 3},
        "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "position": 4},
        "since": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}], "position": 5},
        "day": {"type": "string", "format": "date", "position": 6},
        "fast": {"type": "boolean", "default": True, "position": 7},
        "tags": {"type": "array", "items": {"type": "string"}, "position": 8},
        "ids": {"type": "array", "items": {"type": "integer", "minimum": 0}, "position": 9},
        "extra": {"type": "object", "position": 10},
        "key": {"type": "string", "format": "password", "position": 11},
        "step": {"type": "number", "multipleOf": 0.5, "minimum": 0, "position": 12},
        "codes": {
            "type": "array",
            "minItems": 2,
            "maxItems": 3,
            "uniqueItems": True,
            "position": 13,
            "items": {"type": "string", "maxLength": 3},
        },
    },
}


async def test_every_kind_of_parameter_has_its_control_in_the_authors_order(run: Run) -> None:
    form = await run("schema_form.js", FORM, {"schema": SCHEMA, "typed": {}})

    assert list(form["kinds"].items()) == [
        ("format", "choice"), ("name", "text"), ("level", "choice"), ("limit", "integer"), ("share", "number"),
        ("since", "time"), ("day", "date"), ("fast", "boolean"), ("tags", "list"), ("ids", "list"), ("extra", "json"),
        ("key", "secret"), ("step", "number"), ("codes", "list"),
    ]  # fmt: skip
    assert form["texts"]["format"] == '"csv"'
    assert form["texts"]["limit"] == "10"
    assert form["errors"] == {"name": "This is required."}
    assert form["parameters"] == {}  # what equals the default is left to the server


async def test_what_is_typed_becomes_values_of_the_schemas_types(run: Run) -> None:
    typed = {
        "name": "abc", "format": '"json"', "level": '"high"', "limit": " 7 ", "share": ".5", "day": "2026-03-04",
        "since": "2026-03-04T09:15:00", "fast": "false", "tags": "one\n\n two ", "ids": "3\n4", "extra": '{"a": [1]}',
    }  # fmt: skip
    form = await run("schema_form.js", FORM, {"schema": SCHEMA, "typed": typed})

    assert form["errors"] == {}
    assert form["parameters"] == {
        "name": "abc", "format": "json", "level": "high", "limit": 7, "share": 0.5, "day": "2026-03-04",
        "since": "2026-03-04T08:15:00.000Z", "fast": False, "tags": ["one", "two"], "ids": [3, 4],
        "extra": {"a": [1]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("limit", "0", "At least 1."),
        ("limit", "101", "At most 100."),
        ("limit", "1.5", "This is no whole number."),
        ("limit", "seven", "This is no number."),
        ("limit", "0x10", "This is no number."),
        ("share", "0", "More than 0."),
        ("share", "1", "Less than 1."),
        ("name", "a", "At least 2 characters."),
        ("name", "abcdef", "At most 5 characters."),
        ("day", "4 March", "This is no date."),
        ("ids", "3\n-4", "At least 0."),
        ("extra", "{a}", "This is no JSON."),
        ("step", "0.7", "A multiple of 0.5."),
        ("ids", "9007199254740993", "This number is too large to be kept exactly."),
        ("extra", '{"a": [9007199254740993]}', "This number is too large to be kept exactly."),
        ("codes", "a", "At least 2 values."),
        ("codes", "a\nb\nc\nd", "At most 3 values."),
        ("codes", "a\nb\na", "No value twice."),
        ("codes", "a\nlong", "At most 3 characters."),
    ],
)
async def test_what_the_server_would_refuse_is_told_while_it_is_typed(
    run: Run, name: str, text: str, said: str
) -> None:
    form = await run("schema_form.js", FORM, {"schema": SCHEMA, "typed": {"name": "abc", name: text}})

    assert form["errors"] == {name: said}


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"minimum": 1, "maximum": 9}, "1 to 9"),
        ({"minimum": 1}, "at least 1"),
        ({"maximum": 9}, "at most 9"),
        ({"exclusiveMinimum": 0, "exclusiveMaximum": 1}, "more than 0, less than 1"),
        ({"exclusiveMinimum": 0, "maximum": 1}, "more than 0, at most 1"),
        ({}, ""),
    ],
)
async def test_beside_a_number_stand_its_limits(run: Run, limits: dict[str, int], said: str) -> None:
    code = "({limitsOf}, schema) => limitsOf({schema, kind: 'integer'})"

    assert await run("schema_form.js", code, limits) == said


async def test_a_job_run_again_begins_with_its_parameters(run: Run) -> None:
    given = {"name": "abc", "limit": 99, "since": "2026-03-04T08:15:00Z", "fast": False, "tags": ["a", "b"]}
    form = await run("schema_form.js", FORM, {"schema": SCHEMA, "given": given, "typed": {}})

    assert form["texts"]["since"] == "2026-03-04T09:15:00"
    assert form["parameters"] == given


async def test_what_nobody_touched_is_given_again_to_the_last_digit(run: Run) -> None:
    given = {
        "name": "", "limit": 10, "since": "2026-10-25T02:30:00.123456+01:00", "tags": [], "ids": [1],
        "codes": [" a ", "b\nc"], "extra": {"n": 1}, "level": None, "share": None,
    }  # fmt: skip
    form = await run("schema_form.js", FORM, {"schema": SCHEMA, "given": given, "typed": {}})

    assert form["errors"] == {}
    assert form["parameters"] == given


async def test_the_deployments_own_values_stand_in_the_form_and_what_is_typed_goes_before_them(run: Run) -> None:
    own = {"limit": 30, "name": "abc", "extra": {"__prefect_kind": "jinja"}, "share": {"__prefect_kind": "json"}}
    code = """({fieldsOf, parametersOf}, {schema, own}) => {
        const fields = fieldsOf(schema, {}, own)
        const texts = Object.fromEntries(fields.map(({name, value}) => [name, value]))
        const typed = parametersOf(fields, {...texts, limit: "10"}).parameters
        return [texts.limit, texts.name, texts.share, parametersOf(fields, texts), typed]
    }"""

    limit, name, share, untouched, typed = await run("schema_form.js", code, {"schema": SCHEMA, "own": own})

    assert (limit, name, share) == ("30", "abc", "")
    assert untouched == {"parameters": {}, "errors": {}}  # all of it is the deployment's
    assert typed == {"limit": 10}  # the schema's default, but not what would run otherwise


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("tags", "", []), ("title", "", ""), ("limit", "", None), ("day", "", None)],
)
async def test_an_emptied_field_is_what_it_looks_like_where_its_type_has_that(
    run: Run, name: str, text: str, value: object
) -> None:
    schema = {"properties": {
        "tags": {"type": "array", "items": {"type": "string"}, "default": ["all"]},
        "title": {"type": "string", "default": "x"},
        "limit": {"type": "integer", "default": 10},
        "day": {"type": "string", "format": "date", "default": "2026-03-04"},
    }}  # fmt: skip
    form = await run("schema_form.js", FORM, {"schema": schema, "typed": {name: text}})

    assert form["parameters"] == ({} if value is None else {name: value})


@pytest.mark.parametrize(
    "property",
    [
        {"type": "string", "pattern": "^(a+)+$"},
        {"type": "array", "items": {"type": "string", "pattern": "^(a+)+$"}},
        {"anyOf": [{"type": "string", "pattern": "^(a|aa)+$"}, {"type": "null"}]},
    ],
    ids=["text", "list", "nullable"],
)
async def test_the_browser_runs_no_pattern_of_a_flow(run: Run, property: dict[str, Any]) -> None:
    """40 letters against `^(a+)+$` kept a browser busy for days; the server checks, and answers at the field."""
    text = "a" * 40 + "!"
    form = await run("schema_form.js", FORM, {"schema": {"properties": {"name": property}}, "typed": {"name": text}})

    assert form["errors"] == {}
    assert form["parameters"]["name"] in (text, [text])


async def test_a_long_number_that_is_none_is_told_at_once(run: Run) -> None:
    schema = {"properties": {"n": {"type": "number"}}}
    form = await run("schema_form.js", FORM, {"schema": schema, "typed": {"n": "1" * 200_000 + "x"}})

    assert form["errors"] == {"n": "This is no number."}


async def test_a_schema_that_branches_at_each_reference_is_looked_at_in_part(run: Run) -> None:
    both = {f"L{n}": {"anyOf": [{"$ref": f"#/$defs/L{n + 1}"}, {"$ref": f"#/$defs/L{n + 1}"}]} for n in range(60)}
    schema = {"properties": {"a": {"$ref": "#/$defs/L0"}, "b": {"anyOf": [{"$ref": "#/properties/b"}]}}, "$defs": both}
    form = await run("schema_form.js", FORM, {"schema": schema, "typed": {}})

    assert form["kinds"] == {"a": "json", "b": "json"}


# -- secrets --------------------------------------------------------------------------------------------------------

MASK = "**********"
SECRETS: dict[str, Any] = {
    "required": ["token", "camera"],
    "$defs": {
        "Secret": {"type": "string", "format": "password", "writeOnly": True},
        "Login": {"type": "object", "properties": {"user": {"type": "string"}, "password": {"$ref": "#/$defs/Secret"}}},
    },
    "properties": {
        "token": {"$ref": "#/$defs/Secret"},
        "maybe": {"anyOf": [{"$ref": "#/$defs/Secret"}, {"type": "null"}], "default": None},
        "either": {"anyOf": [{"$ref": "#/$defs/Secret"}, {"type": "integer"}]},
        "pin": {"type": "integer", "writeOnly": True},
        "login": {"$ref": "#/$defs/Login"},
        "logins": {"type": "array", "items": {"$ref": "#/$defs/Login"}},
        "keys": {"type": "array", "items": {"type": "string", "format": "password"}},
        "camera": {"type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "plain": {"type": "string"},
    },
}
MASKED: dict[str, Any] = {
    "token": MASK, "maybe": MASK, "either": MASK, "pin": MASK, "login": {"user": "otto", "password": MASK},
    "logins": [{"user": "otto", "password": MASK}], "keys": [MASK, MASK], "camera": "front", "note": "x", "plain": "y",
}  # fmt: skip
SECRET_NAMES = ("token", "maybe", "either", "pin", "login", "logins", "keys")


async def test_a_secret_is_never_in_the_form_nor_in_what_it_sends_and_left_to_the_job_before(run: Run) -> None:
    form = await run("schema_form.js", FORM, {"schema": SECRETS, "given": MASKED, "typed": {}})

    assert [form["kinds"][name] for name in ("token", "maybe", "either", "pin")] == ["secret"] * 4
    assert {name: form["texts"][name] for name in SECRET_NAMES} == dict.fromkeys(SECRET_NAMES, "")
    assert form["errors"] == {}
    assert form["parameters"] == {"camera": "front", "note": "x", "plain": "y"}
    assert form["like"] is True


async def test_a_secret_that_is_written_anew_is_sent_and_the_others_are_left_to_the_job_before(run: Run) -> None:
    typed = {"token": "new", "pin": "42", "login": '{"user": "vera", "password": "hers"}', "keys": "k1\nk2"}
    form = await run("schema_form.js", FORM, {"schema": SECRETS, "given": MASKED, "typed": typed})

    assert form["errors"] == {}
    assert form["parameters"] == {
        "token": "new", "pin": 42, "login": {"user": "vera", "password": "hers"}, "keys": ["k1", "k2"],
        "camera": "front", "note": "x", "plain": "y",
    }  # fmt: skip
    assert form["like"] is True


async def test_with_all_secrets_written_nothing_is_left_to_the_job_before(run: Run) -> None:
    schema = {"properties": {"token": SECRETS["$defs"]["Secret"]}}
    form = await run("schema_form.js", FORM, {"schema": schema, "given": {"token": MASK}, "typed": {"token": "new"}})

    assert (form["parameters"], "like" in form) == ({"token": "new"}, False)


@pytest.mark.parametrize(
    ("name", "text"),
    [("token", MASK), ("login", '{"user": "x", "password": "**********"}'), ("keys", f"k1\n{MASK}")],
)
async def test_the_mask_is_not_taken_for_a_secret(run: Run, name: str, text: str) -> None:
    form = await run("schema_form.js", FORM, {"schema": SECRETS, "given": MASKED, "typed": {name: text}})

    assert list(form["errors"]) == [name]
    assert "stars stand for a secret" in form["errors"][name]
    assert MASK not in str(form["parameters"])


async def test_what_is_emptied_does_not_come_back_from_the_job_before(run: Run) -> None:
    form = await run("schema_form.js", FORM, {"schema": SECRETS, "given": MASKED, "typed": {"note": "", "plain": ""}})

    assert form["parameters"]["note"] is None
    assert form["errors"] == {
        "plain": "A secret is taken from the job before, so this cannot be left out: write a value."
    }


async def test_the_deployments_own_secret_is_left_to_it(run: Run) -> None:
    code = """({fieldsOf, parametersOf}, {schema, own}) => {
        const fields = fieldsOf(schema, {}, own)
        const texts = Object.fromEntries(fields.map(({name, value}) => [name, value]))
        return [texts.token, parametersOf(fields, {...texts, camera: "front"})]
    }"""
    own = {"token": MASK}

    assert await run("schema_form.js", code, {"schema": SECRETS, "own": own}) == [
        "",
        {"parameters": {"camera": "front"}, "errors": {}},
    ]


async def test_a_new_job_asks_for_its_secret(run: Run) -> None:
    form = await run("schema_form.js", FORM, {"schema": SECRETS, "typed": {"camera": "front"}})

    assert form["errors"] == {"token": "This is required."}


async def test_a_schema_that_refers_to_itself_or_nowhere_is_no_endless_loop(run: Run) -> None:
    schema = {"properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#/$defs/Nowhere"}}, "$defs": {
        "A": {"$ref": "#/$defs/A"}}}  # fmt: skip
    form = await run("schema_form.js", FORM, {"schema": schema, "typed": {}})

    assert form["kinds"] == {"a": "json", "b": "json"}


# -- statistics -----------------------------------------------------------------------------------------------------


async def test_a_span_ends_with_the_bucket_of_now_and_has_every_bucket(run: Run) -> None:
    code = """({spanOf, series}, now) => {
        const wanted = spanOf("day", Date.parse(now))
        const buckets = [{start: "2026-03-04T08:00:00Z", created: 3, completed: 2, failed: 1, cancelled: 0,
            queue_wait_seconds: {p50: 1, p95: 2}, run_seconds: null}]
        const points = series(buckets, wanted)
        return {to: new Date(wanted.to).toISOString(), count: points.length,
            created: points.map(({created}) => created).filter(Boolean), wait: points[22].wait, none: points[0].wait}
    }"""
    found = await run("statistics_series.js", code, "2026-03-04T09:59:59Z")

    assert found == {
        "to": "2026-03-04T10:00:00.000Z", "count": 24, "created": [3], "wait": {"p50": 1, "p95": 2},
        "none": {"p50": None, "p95": None},
    }  # fmt: skip


async def test_a_bar_leads_to_exactly_the_jobs_of_its_bucket(run: Run) -> None:
    code = "({rangeOf}) => rangeOf('completed', {start: Date.UTC(2026, 2, 4, 8), end: Date.UTC(2026, 2, 4, 9)})"

    assert await run("statistics_series.js", code, None) == ("completed:2026-03-04T08:00:00Z..2026-03-04T08:59:59.999Z")


@pytest.mark.parametrize(("most", "axis"), [(0, 1), (1, 1), (3, 4), (7, 8), (12, 20), (420, 600), (0.03, 0.04)])
async def test_an_axis_ends_at_a_round_number(run: Run, most: float, axis: float) -> None:
    assert await run("statistics_series.js", "({roundUp}, most) => roundUp(most)", most) == pytest.approx(axis)


@pytest.mark.parametrize(("most", "axis"), [(0.4, 0.4), (55, 60), (106, 120), (5000, 7200), (200_000, 345_600)])
async def test_an_axis_of_times_ends_at_a_round_time(run: Run, most: float, axis: float) -> None:
    assert await run("statistics_series.js", "({roundUpTime}, most) => roundUpTime(most)", most) == pytest.approx(axis)


async def test_medians_are_weighted_by_the_jobs_behind_them(run: Run) -> None:
    code = "({median}, pairs) => median(pairs)"

    assert await run("statistics_series.js", code, [[1, 100], [50, 1], [None, 999]]) == 1
    assert await run("statistics_series.js", code, []) is None


# -- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0 s"), (0.46, "0.5 s"), (31, "31 s"), (125, "2 min 5 s"), (3600, "1 h"), (4320, "1 h 12 min"),
     (273_600, "3 d 4 h")],
)  # fmt: skip
async def test_a_stretch_of_time_is_short(run: Run, seconds: float, words: str) -> None:
    assert await run("wording.js", "({span}, seconds) => span(seconds)", seconds) == words


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(-5, "now"), (1, "in 1 second"), (42, "in 42 seconds"), (61, "in 1 minute"), (7300, "in 2 hours")],
)
async def test_a_time_to_come_is_said_in_words(run: Run, ahead: int, words: str) -> None:
    code = "({until}, ahead) => until(new Date(1000000 + ahead * 1000).toISOString(), 1000000)"

    assert await run("wording.js", code, ahead) == words


@pytest.mark.parametrize(
    ("job_id", "title", "window"),
    [
        ("142", "#142", "#142"),
        ("job-001", "#001", "#001"),
        ("5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e1f", "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e1f", "5d1c0f4e..."),
        ("5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10", "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10", None),
    ],
)
async def test_an_id_is_shortened_only_where_it_is_a_number(
    run: Run, job_id: str, title: str, window: str | None
) -> None:
    code = "({titleId, windowId}, id) => [titleId(id), windowId(id)]"

    assert await run("wording.js", code, job_id) == [title, window or job_id]


MINUTE, HOUR, DAY = 60, 3600, 86_400


@pytest.mark.parametrize(
    ("ago", "words"),
    [(-5, "just now"), (9.9, "just now"), (10, "10 seconds ago"), (59.9, "59 seconds ago"),
     (MINUTE, "1 minute ago"), (2 * MINUTE - 1, "1 minute ago"), (2 * MINUTE, "2 minutes ago"),
     (HOUR - 1, "59 minutes ago"), (HOUR, "1 hour ago"), (2 * HOUR, "2 hours ago"), (DAY - 1, "23 hours ago"),
     (DAY, "1 day ago"), (2 * DAY - 1, "1 day ago"), (400 * DAY, "400 days ago")],
)  # fmt: skip
async def test_in_the_detail_a_time_is_always_rounded_down(run: Run, ago: float, words: str) -> None:
    code = "({relative}, ago) => relative(new Date(1e12 - ago * 1000).toISOString(), 1e12)"

    assert await run("wording.js", code, ago) == words


@pytest.mark.parametrize(
    ("ago", "words"),
    [(-5, "less than a minute ago"), (29, "less than a minute ago"), (30, "1 minute ago"), (89, "1 minute ago"),
     (90, "2 minutes ago"), (44 * MINUTE + 29, "44 minutes ago"), (44 * MINUTE + 30, "about 1 hour ago"),
     (89 * MINUTE + 29, "about 1 hour ago"), (90 * MINUTE, "about 2 hours ago"), (23 * HOUR, "about 23 hours ago"),
     (DAY, "1 day ago"), (42 * HOUR, "2 days ago"), (29.9 * DAY, "30 days ago"), (30 * DAY, "about 1 month ago"),
     (44.9 * DAY, "about 1 month ago"), (59.9 * DAY, "about 2 months ago"), (100 * DAY, "3 months ago"),
     (365 * DAY, "about 1 year ago"), (460 * DAY, "over 1 year ago"), (700 * DAY, "almost 2 years ago"),
     (800 * DAY, "about 2 years ago")],
)  # fmt: skip
async def test_a_cards_time_reads_the_same_as_the_servers(run: Run, ago: float, words: str) -> None:
    code = "({distance}, ago) => distance(new Date(1e12 - ago * 1000).toISOString(), 1e12)"

    assert await run("wording.js", code, ago) == words
    now = datetime.fromtimestamp(1e9, UTC)
    assert distance(now - timedelta(seconds=ago), now=now) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 seconds"), (0.9, "0 seconds"), (1, "1 second"), (59.9, "59 seconds"), (MINUTE, "1 minute"),
     (2 * MINUTE - 1, "1 minute"), (HOUR - 1, "59 minutes"), (HOUR, "1 hour"), (HOUR + 59, "1 hour"),
     (HOUR + MINUTE, "1h 1m"), (2 * HOUR, "2 hours"), (26 * HOUR + 5 * MINUTE, "26h 5m")],
)  # fmt: skip
async def test_a_duration_has_at_most_two_units_and_is_rounded_down(run: Run, seconds: float, words: str) -> None:
    code = "({duration}, s) => duration(new Date(1e12).toISOString(), new Date(1e12 + s * 1000).toISOString())"

    assert await run("wording.js", code, seconds) == words


async def test_a_moment_is_written_in_the_viewers_zone(run: Run) -> None:
    code = "({absolute, longTime, clock}, time) => [absolute(time), longTime(time), clock(time)]"

    said = [text.replace("\u202f", " ") for text in await run("wording.js", code, "2026-03-04T20:05:09Z")]

    assert said == ["09:05:09 PM", "Mar 4, 2026, 9:05:09 PM", "21:05:09"]  # the browser of these tests is in Berlin
