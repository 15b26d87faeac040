"""Times as people and programs write them. What is taken is right; the rest is refused, and not made a time of.

An import took `20251225211453Z` for 11:45 and epoch milliseconds for the year 1701, and a cleanup then called those
events old and removed them.
"""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from prefect.exceptions import ParameterTypeError
from pydantic import TypeAdapter, ValidationError

from prefect_jobs.api.wire import RequestTime
from prefect_jobs.cli.moments import past_moment
from prefect_jobs.cli.refusals import Refusal
from prefect_jobs.client.errors import ServerFailed
from prefect_jobs.client.values import Job, read
from prefect_jobs.events.incoming.event_record import IncomingEvent, read_event
from prefect_jobs.events.incoming.records import Place, Record
from prefect_jobs.events.times import EventTime, read_iso
from prefect_jobs.gateway import Deployment
from prefect_jobs.iso_time import NoTime, is_day, read_time
from prefect_jobs.job_types import parameter_errors
from prefect_jobs.search_language import SearchError, parse_search
from tests.flows.runs import load_flow

QUARTER_PAST = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
A_DEPLOYMENT = Deployment(
    "1",
    "api",
    parameters={},
    parameter_schema={
        "type": "object",
        "properties": {
            "since": {"type": "string", "format": "date-time"},
            "day": {"type": "string", "format": "date"},
        },
    },
)

TAKEN: list[tuple[str, datetime]] = [
    ("2026-03-04T08:15:00Z", QUARTER_PAST),
    ("2026-03-04 08:15:00Z", QUARTER_PAST),
    ("2026-03-04t08:15:00z", QUARTER_PAST),
    ("2026-03-04T08:15", QUARTER_PAST),
    ("2026-03-04T08:15:00", QUARTER_PAST),
    ("20260304T081500Z", QUARTER_PAST),
    ("20260304T08:15:00", QUARTER_PAST),
    ("2026-03-04T09:15:00+01:00", QUARTER_PAST),
    ("2026-03-04T09:15:00+0100", QUARTER_PAST),
    ("2026-03-04 09:15:00+01", QUARTER_PAST),
    ("2026-03-03T18:15:00-14:00", QUARTER_PAST),
    ("2026-03-04T08:15:00-00:00", QUARTER_PAST),
    ("  2026-03-04T08:15:00Z\n", QUARTER_PAST),
    ("2026-03-04T08:15:00.120345Z", QUARTER_PAST.replace(microsecond=120345)),
    ("2026-03-04T08:15:00,5Z", QUARTER_PAST.replace(microsecond=500_000)),
    ("2026-03-04T08:15:00.1203459999Z", QUARTER_PAST.replace(microsecond=120345)),
    ("2026-03-04T08", QUARTER_PAST.replace(minute=0)),
    ("2026-03-04", datetime(2026, 3, 4, tzinfo=UTC)),
    ("20260304", datetime(2026, 3, 4, tzinfo=UTC)),
    ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
    ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
]
REFUSED = [
    "20251225211453Z",
    "20251225211453",
    "1701122500123",
    "1701122500",
    "1701122500.5",
    "-1",
    "2026-03-04x08:15:00Z",
    "2026-03-04_08:15:00Z",
    "2026-03-04108:15:00Z",
    "2026-03-04T08:15:00 01:00",
    "2026-03-04T08:15:00 Z",
    "2026-03-04  08:15:00Z",
    "2026-03-04T",
    "2026-03-04Z",
    "2026-03-04T08:15:00+",
    "2026-03-04T08:15:00+24:00",
    "2026-03-04T08:15:00+01:00:30",
    "2026-03-04T08:15:00+1",
    "2026-03-04T08:15:00UTC",
    "2026-03-04T08:15:00\u221201:00",
    "2026-03-04T24:00:00Z",
    "2026-12-31T23:59:60Z",
    "2026-03-04T08:60:00Z",
    "2026-03-04T8:15",
    "2026-03-04T08:15:00.",
    "2026-03-04T08:15.5",
    "2026-02-30",
    "2025-02-29",
    "2026-13-01",
    "2026-00-10",
    "2026-3-4",
    "26-03-04",
    "2026-03",
    "2026",
    "2026-W10-3",
    "2026-W10-3T08:15:00Z",
    "2026-063",
    "04.03.2026 08:15",
    "03/04/2026",
    "08:15:00",
    "+12026-03-04T08:15:00Z",
    "0000-01-01",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "\u0662\u0660\u0662\u0666-03-04T08:15:00Z",
    "2026-03-04T0\uff18:15:00Z",
    "2026-03-04\u00a008:15:00Z",
    "\u30002026-03-04",
    "now",
    "yesterday",
    "NaT",
    "null",
    "",
    " ",
]


@pytest.mark.parametrize(("text", "moment"), TAKEN)
def test_what_is_taken_is_right(text: str, moment: datetime) -> None:
    found = read_time(text)
    assert (found, found.tzinfo) == (moment, UTC)


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused_with_the_value(text: str) -> None:
    with pytest.raises(NoTime) as refused:
        read_time(text)
    assert repr(text)[:60] in str(refused.value)


def test_between_date_and_time_stand_a_t_or_a_blank_and_nothing_else() -> None:
    """Python's own reader takes any character there, and that is how digits became times."""
    taken: set[str] = set()
    for code in (*range(0x300), 0x2028, 0x3000, 0xFF34, 0xDC80, 0x1F600):
        try:
            read_time(f"2026-03-04{chr(code)}08:15:00")
            taken.add(chr(code))
        except NoTime:
            pass
    assert taken == {"T", "t", " "}


@pytest.mark.parametrize("minutes", [-14 * 60, -570, -1, 0, 1, 330, 14 * 60])
def test_what_python_writes_is_read_again(minutes: int) -> None:
    moment = datetime(2026, 3, 4, 8, 15, 0, 120345, tzinfo=timezone(timedelta(minutes=minutes)))
    for written in (
        moment.isoformat(),
        moment.strftime("%Y-%m-%d %H:%M:%S.%f%z"),
        moment.strftime("%Y%m%dT%H%M%S,%f%z"),
    ):
        assert read_time(written) == moment


def test_a_day_is_told_from_a_time() -> None:
    assert [is_day(text) for text in ("2026-03-04", " 20260304 ", "2026-03-04T00", "soon")] == [
        True,
        True,
        False,
        False,
    ]


WRONG = ["20251225211453Z", "1701122500123", "2026-03-04x08:15:00Z", "2026-W10-3", "9999-12-31T23:59:59-14:00"]
"""Each of these was taken somewhere, or ended in an error of Python's."""


@pytest.mark.parametrize("text", WRONG)
def test_no_door_takes_what_the_reader_refuses(text: str) -> None:
    """Requests, rows of a file and of a backup, a search, the command line, parameters, and what the client reads."""
    for kind in (TypeAdapter(RequestTime), TypeAdapter(EventTime)):
        with pytest.raises(ValidationError, match="ISO 8601") as invalid:
            kind.validate_python(text)
        assert repr(text) in str(invalid.value)
    row = read_event(Record(Place(2), {"camera_name": "Front", "started_at": text}))
    assert not isinstance(row, IncomingEvent)
    assert [(item.column, repr(text) in item.reason) for item in row] == [("started_at", True)]
    with pytest.raises(ValueError, match="no ISO 8601 time"):
        read_iso(text)
    with pytest.raises(SearchError, match="neither a date"):
        parse_search(f"created:>{text}", now=QUARTER_PAST)
    with pytest.raises(Refusal, match="is no time"):
        past_moment("--since", text, now=QUARTER_PAST)
    [error] = parameter_errors(A_DEPLOYMENT, {"since": text})
    assert (error.path, error.value) == (("since",), text)
    with pytest.raises(ServerFailed, match="created_at"):
        read(Job, {"job_id": "a", "job_type": "export", "status": "pending", "progress": 0, "created_at": text})


@pytest.mark.parametrize("number", [1701122500123, 1701122500.5, 20251225, True])
def test_a_number_is_no_time(number: float) -> None:
    """Pydantic takes seconds and milliseconds, and guesses which; here a number is no text and so no time."""
    for kind in (TypeAdapter(RequestTime), TypeAdapter(EventTime)):
        with pytest.raises(ValidationError, match="as text"):
            kind.validate_python(number)
    with pytest.raises(ServerFailed, match="created_at"):
        read(Job, {"job_id": "a", "job_type": "export", "status": "pending", "progress": 0, "created_at": number})


@pytest.mark.parametrize(("text", "moment"), TAKEN)
def test_every_door_reads_the_same_instant(text: str, moment: datetime) -> None:
    assert TypeAdapter(RequestTime).validate_python(text) == moment
    assert TypeAdapter(EventTime).validate_python(text) == moment
    row = read_event(Record(Place(2), {"camera_name": "Front", "started_at": text}))
    assert isinstance(row, IncomingEvent)
    assert row.started_at == moment


@pytest.mark.parametrize("text", ["20260304T081500Z", "2026-03-04T08"])
def test_a_parameter_of_a_flow_is_refused_where_its_flow_would_refuse_it(text: str) -> None:
    """The text goes to the flow as it is, and there Pydantic reads it, which knows fewer forms."""
    assert len(parameter_errors(A_DEPLOYMENT, {"since": text})) == 1


def test_a_day_of_a_flow_is_a_day_with_hyphens() -> None:
    assert parameter_errors(A_DEPLOYMENT, {"day": "2026-03-04"}) == []
    for text in ("20260304", "2026-W10-3", "2026-02-30", "\u0662\u0660\u0662\u0666-03-04", "1701122500"):
        assert len(parameter_errors(A_DEPLOYMENT, {"day": text})) == 1, text


@pytest.mark.parametrize("flow", ["export", "re_evaluation"])
@pytest.mark.parametrize("value", ["20251225211453Z", "1701122500123", 1701122500123])
def test_a_job_started_past_the_api_reads_its_dates_in_the_same_way(flow: str, value: object) -> None:
    """Prefect's own pages and command line do not ask us; the job does."""
    made = load_flow(flow)
    for name in ("start_date", "end_date"):
        assert made.parameters.model_dump()["properties"][name]["anyOf"][0]["format"] == "date-time"
        assert made.validate_parameters({name: "2026-03-04T09:15:00+01:00"})[name] == QUARTER_PAST
        with pytest.raises(ParameterTypeError, match="ISO 8601"):
            made.validate_parameters({name: value})
