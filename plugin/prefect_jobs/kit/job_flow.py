"""`@job` makes a job type of a function: a Prefect flow whose name is the job type, and whose runs tell what they do.

The flow is made from the author's own function, so parameters, source file and version are what Prefect shows for any
flow; only then the body is wrapped.
"""

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

from prefect import Flow, flow

from prefect_jobs.kit.attempt import Attempt

P = ParamSpec("P")
R = TypeVar("R")


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
    docstring). A run that takes longer than `timeout` seconds is ended and its processes killed; `retries` runs a
    failed one again. Every other option of Prefect's `@flow` is passed on. What the function returns is the job's
    result, kept up to 64 KiB as JSON.

    Raises `TypeError` for a generator function: a job returns its result.
    """

    def decorate(function: Callable[P, R]) -> Flow[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"@job cannot make a job type of the generator function {function.__qualname__}()")
        options: dict[str, Any] = {"description": description, "retries": retries}
        if sys.platform != "linux":  # there is no sidecar to hold the limit, whatever the body does
            options["timeout_seconds"] = timeout
        made: Flow[P, R] = flow(name=name, **(options | flow_options))(function)
        made.fn = _wrapped(function, functools.partial(Attempt, name, title, timeout, function))
        return made

    return decorate


def _wrapped(function: Callable[..., Any], attempt: Callable[[], Attempt]) -> Callable[..., Any]:
    """The function with everything a job does around it, and otherwise as Prefect would see the function itself."""
    run = functools.partial(_run_async if inspect.iscoroutinefunction(function) else _run, function, attempt)

    def body(*args: Any, **kwargs: Any) -> Any:
        return run(args, kwargs)

    async def async_body(*args: Any, **kwargs: Any) -> Any:
        return await run(args, kwargs)

    made = async_body if inspect.iscoroutinefunction(function) else body
    # Prefect looks up the names in annotations in the globals of what it calls: they must be the author's.
    moved = FunctionType(made.__code__, function.__globals__, function.__name__, None, made.__closure__)
    return functools.update_wrapper(moved, function)


def _run(
    function: Callable[..., Any], new_attempt: Callable[[], Attempt], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    with new_attempt() as attempt:
        if (ending := attempt.refused()) is not None:
            return ending
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            if (ending := attempt.failed(error)) is not None:
                return ending
            if (told := attempt.told(error)) is error:
                raise
        else:
            attempt.succeeded(result)
            return result
        raise told  # here, where the error does not become its context


async def _run_async(
    function: Callable[..., Any], new_attempt: Callable[[], Attempt], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    with new_attempt() as attempt:
        # What waits for a server does so in threads: the event loop must not.
        if (ending := await asyncio.to_thread(attempt.refused)) is not None:
            return ending
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            if (ending := await asyncio.to_thread(attempt.failed, error)) is not None:
                return ending
            if (told := attempt.told(error)) is error:
                raise
        else:
            await asyncio.to_thread(attempt.succeeded, result)
            return result
        raise told
