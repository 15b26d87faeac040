"""`@job` makes a job type of a function: a Prefect flow whose name is the job type, and whose runs tell what they do.

The flow is made from the author's own function, so parameters, source file and version are what Prefect shows for any
flow; only then the body is wrapped.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Flow, flow

from prefect_jobs.kit.attempt import Attempt

P = ParamSpec("P")
R = TypeVar("R")
Wrap = Callable[[Callable[..., Any], str, str | None], Callable[..., Any]]


def job(
    name: str,
    *,
    title: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    retries: int = 0,
    **flow_options: Any,
) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """Make a job type of a function, sync or async: `@job("thumbnails", title="Thumbnails", timeout=600)`.

    `name` is the job type and the flow's name. `title` is what people read, `description` what it does (by default the
    docstring). `timeout` in seconds fails a run that takes longer; `retries` runs a failed one again. Every other
    option of Prefect's `@flow` is passed on. What the function returns is the job's result, kept up to 64 KiB as JSON.

    Raises `TypeError` for a generator function: a job returns its result.
    """

    def decorate(function: Callable[P, R]) -> Flow[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"@job cannot make a job type of the generator function {function.__qualname__}()")
        options: dict[str, Any] = {"description": description, "timeout_seconds": timeout, "retries": retries}
        made: Flow[P, R] = flow(name=name, **(options | flow_options))(function)
        wrap: Wrap = _async_body if inspect.iscoroutinefunction(function) else _sync_body
        made.fn = cast(Callable[P, R], wrap(function, name, title))
        return made

    return decorate


def _sync_body(function: Callable[..., Any], name: str, title: str | None) -> Callable[..., Any]:
    @functools.wraps(function)
    def body(*args: Any, **kwargs: Any) -> Any:
        with Attempt(name, title, body) as attempt:
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                attempt.failed(error)
                raise
            attempt.succeeded(result)
            return result

    return body


def _async_body(function: Callable[..., Any], name: str, title: str | None) -> Callable[..., Any]:
    @functools.wraps(function)
    async def body(*args: Any, **kwargs: Any) -> Any:
        with Attempt(name, title, body) as attempt:
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                await asyncio.to_thread(attempt.failed, error)  # waits for the server, the event loop must not
                raise
            await asyncio.to_thread(attempt.succeeded, result)
            return result

    return body
