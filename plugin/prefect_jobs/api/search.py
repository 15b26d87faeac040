"""Searching jobs: the contract's filters (4.4) and the search language, with facets over every match."""

from collections.abc import Container, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.problems import ErrorAnswer
from prefect_jobs.api.wire import JobResponse, Pagination, RequestTime
from prefect_jobs.conditions import Between, Condition, HasError, Not, OneOf
from prefect_jobs.job_states import STATES_BY_STATUS, keys_of
from prefect_jobs.search_language import LENGTH_LIMIT, SearchError, parse_search
from prefect_jobs.store import Counts, Page
from prefect_jobs.store.orders import SORTS
from prefect_jobs.store.tables import to_microseconds

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses={422: {"model": ErrorAnswer}})

WORDS_LENGTH = 2_000
"""Characters of a comma list."""
LONGEST = 10**9
"""Seconds: more than any job takes, and exact as microseconds."""

WORDS_MOST = 100
"""Values of a parameter that is repeated."""


def _in_one_sentence(value: object, read: ValidatorFunctionWrapHandler) -> object:
    """What is wrong with a parameter is said once, and not for each way to give it."""
    try:
        return read(value)
    except ValidationError as error:
        wrong = error.errors()[-1 if isinstance(value, list) else 0]
        raise PydanticCustomError("words", "{reason}", {"reason": wrong["msg"]}) from None


GivenWords = WrapValidator(_in_one_sentence)
Words = Annotated[
    Annotated[str, Field(max_length=WORDS_LENGTH)]
    | Annotated[list[Annotated[str, Field(max_length=WORDS_LENGTH)]], Field(max_length=WORDS_MOST)],
    GivenWords,
]
"""A parameter that is given once, a comma list, or several times: then each is one whole word."""

STATES_HELP = "Comma list of states, the finer words for `status`; `scheduled` shows what a schedule prepared ahead."
_WORDS = "Comma list, or several times one whole word each; unknown words match nothing."
_TYPES = f"{_WORDS} One that is exactly the name of a type is that type, commas included."


class Paging(BaseModel):
    """Which part of the matches to return, in which order."""

    limit: int = Field(default=50, ge=1, le=1000, description="Items on a page.")
    offset: int = Field(default=0, ge=0, le=2**31, description="Matches to skip.")
    sort: str = Field(
        default="created_at",
        max_length=100,
        description=f"One of {', '.join(SORTS)}; anything else is `created_at`.",
    )
    order: str = Field(default="desc", max_length=100, description="`desc` (in any case); anything else is ascending.")
    exact: bool = Field(default=False, description="Count every match, however long it takes.")

    @property
    def page(self) -> Page:
        """The same as the index takes it."""
        descending = self.order.lower() == "desc"
        return Page(self.limit, self.offset, SORTS.get(self.sort, "created_at"), descending, self.exact)


def words(given: str | Sequence[str] | None, *, known: Container[str] = ()) -> frozenset[str] | None:
    """The words that a parameter gives; None where there is none.

    Given several times, each is one whole word, commas and outer blanks included; so is the only one where it is known
    as it stands. Else it is a comma list.
    """
    values = [given] if isinstance(given, str) else [*(given or ())]
    if len(values) != 1:
        return frozenset(values) or None
    if values[0] in known:
        return frozenset(values)
    return frozenset(word.strip() for word in values[0].split(",") if word.strip()) or None


def both(one: Words | None, other: Words | None) -> Words | None:
    """What two names of the same parameter give."""
    if one is None or other is None:
        return one if other is None else other
    return [*([one] if isinstance(one, str) else one), *([other] if isinstance(other, str) else other)]


def in_states(statuses: frozenset[str] | None, states: frozenset[str] | None) -> list[Condition]:
    """The conditions of the filters ``status`` and ``state``."""
    conditions: list[Condition] = []
    if statuses is not None:
        among = (STATES_BY_STATUS.get(status, frozenset[str]()) for status in statuses)
        conditions.append(OneOf("state", frozenset[str]().union(*among)))
    if states is not None:
        conditions.append(OneOf("state", keys_of(states)))
    return conditions


class SearchFilter(BaseModel):
    """What to search for. All parts must hold together."""

    q: str | None = Field(
        default=None,
        max_length=LENGTH_LIMIT,
        description="Text in a job's type, message, error or result, or its id; also words of the search language.",
        examples=['type:export status:failed param.camera_id:front duration:>10m created:<2d log:"disk full" -retry'],
    )
    status: Words | None = Field(default=None, description=_WORDS, examples=["failed,cancelled"])
    job_type: Words | None = Field(default=None, description=_TYPES, examples=["export,backup"])
    type: Words | None = Field(default=None, description="Another name of `job_type`.", examples=["export"])
    state: Words | None = Field(default=None, description=STATES_HELP, examples=["late,retrying"])
    created_after: RequestTime | None = None
    created_before: RequestTime | None = None
    completed_after: RequestTime | None = None
    completed_before: RequestTime | None = None
    has_error: bool | None = None
    min_duration: float | None = Field(default=None, ge=0, le=LONGEST, description="Seconds from start to end.")
    max_duration: float | None = Field(default=None, ge=0, le=LONGEST, description="Seconds from start to end.")

    def conditions(self, *, now: datetime, types: Container[str], within: str = "query") -> list[Condition]:
        """The same as conditions.

        Args:
            now: what ages count from.
            types: the names of types that are known.
            within: the part of the request that the filter stood in.

        Raises:
            RequestValidationError: ``q`` cannot be read.
        """
        found = in_states(words(self.status), words(self.state))
        if (named := words(both(self.job_type, self.type), known=types)) is not None:
            found.append(OneOf("job_type", named))
        if self.created_after or self.created_before:
            found.append(Between("created_at", _us(self.created_after), _us(self.created_before)))
        if self.completed_after or self.completed_before:
            found.append(Between("completed_at", _us(self.completed_after), _us(self.completed_before)))
        if self.has_error is not None:
            found.append(HasError() if self.has_error else Not(HasError()))
        if self.min_duration is not None or self.max_duration is not None:
            found.append(Between("duration", _seconds(self.min_duration), _seconds(self.max_duration)))
        try:
            return found + parse_search(self.q or "", now=now, types=types)
        except SearchError as error:
            raise RequestValidationError(
                [{"type": "search", "loc": (*within.split("."), "q"), "msg": str(error), "input": self.q}]
            ) from error


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)


def _seconds(value: float | None) -> int | None:
    # By way of whole microseconds: 0.3 s as a float is a little more than 300,000 of them.
    return None if value is None else timedelta(seconds=value) // timedelta(microseconds=1)


class Facets(BaseModel):
    """How many jobs there are, by what. Words that no job has are absent."""

    by_status: dict[str, int] = Field(examples=[{"failed": 1}])
    by_type: dict[str, int] = Field(examples=[{"cleanup": 1}])
    by_state: dict[str, int] = Field(description="Tells the cancelled from the failed.", examples=[{"timed_out": 1}])
    exact: bool = Field(description="False: each count is a lower bound.", examples=[True])

    @classmethod
    def of(cls, counts: Counts, *, exact: bool = True) -> "Facets":
        """The wire form of counts."""
        return cls(by_status={**counts.by_status}, by_type=counts.by_type, by_state=counts.by_state, exact=exact)


class Aggregations(Facets):
    """Counts over every match of the search, before paging."""

    unfiltered: Facets | None = Field(
        default=None, description="With `facets=unfiltered`: the same over all jobs, to offer the other choices."
    )


class SearchAnswer(BaseModel):
    """One page of the matches, and counts over all of them."""

    data: list[JobResponse]
    meta: Pagination
    aggregations: Aggregations


class SearchQuery(SearchFilter, Paging):
    """A search as its query writes it."""

    queue: str | None = Field(default=None, max_length=WORDS_LENGTH, description="Accepted, and without effect.")
    facets: Literal["filtered", "unfiltered"] = Field(
        default="filtered", description="`unfiltered` adds counts over everything."
    )


@router.get("/search")
async def search_jobs(adapter: TheAdapter, wanted: Annotated[SearchQuery, Query()]) -> SearchAnswer:
    """Search jobs. All filters hold together; nothing is required."""
    found = await adapter.index.find(wanted.conditions(now=datetime.now(UTC), types=adapter.type_names()), wanted.page)
    unfiltered = Facets.of(adapter.index.everything()) if wanted.facets == "unfiltered" else None
    return SearchAnswer(
        data=[adapter.response(job) for job in found.jobs],
        meta=Pagination.of(found, wanted.page),
        aggregations=Aggregations(**Facets.of(found.counts, exact=found.exact).model_dump(), unfiltered=unfiltered),
    )
