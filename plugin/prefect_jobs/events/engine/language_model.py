"""Asking a language model behind an OpenAI-compatible address for JSON of a given schema.

It may be slow, overloaded, away, or answer nonsense, and each question may cost money: so questions have a time limit,
a pace, a few tries with growing pauses, and their tokens are counted. What it is told about is data, whatever it says.

    ModelError
    ├── ModelRefuses     it does not take our questions at all: a wrong key, model or address
    └── NoGoodAnswer     no answer to this one that makes sense, after several tries
"""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from jsonschema import Draft202012Validator

from prefect_jobs.settings import LOOPBACK_HOSTS

ANSWER_LIMIT = 1 << 20
"""Bytes of an answer."""
RETRY_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
Pause = Callable[[float], None]
"""Waits so many seconds, or raises when the job is to stop."""


class ModelError(Exception):
    """The language model is of no use."""


class ModelRefuses(ModelError):
    """The language model refuses our questions: {reason}"""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The language model refuses our questions: {reason}")


class NoGoodAnswer(ModelError):
    """The language model gave no good answer: {reason}"""

    def __init__(self, reason: str, prompt_tokens: int = 0, completion_tokens: int = 0) -> None:
        super().__init__(f"The language model gave no good answer: {reason}")
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens


@dataclass(frozen=True)
class ModelAddress:
    """Where a model is, and how it is asked."""

    url: str
    """Base address, such as `https://models.example/v1`."""
    model: str
    key: str = field(default="", repr=False)
    timeout: float = 60.0
    per_minute: float = 60.0


@dataclass(frozen=True)
class Tries:
    """How often a question is asked before it is given up, and the pauses between (seconds)."""

    most: int = 4
    first_pause: float = 1.0
    longest_pause: float = 60.0


@dataclass(frozen=True)
class Answer:
    """What the model says, and what it took."""

    data: dict[str, Any]
    prompt_tokens: int
    completion_tokens: int


class LanguageModel:
    """One model, asked one question after another. Raises `ModelRefuses` for an address that is none."""

    def __init__(self, address: ModelAddress, *, pause: Pause, tries: Tries = Tries()) -> None:  # frozen
        self.address = address
        self._tries = tries
        self._pause = pause
        self._next_question = 0.0
        try:
            local = httpx.URL(address.url).host in LOOPBACK_HOSTS
        except httpx.InvalidURL as error:
            raise ModelRefuses("its address is none") from error
        self._http = httpx.Client(
            timeout=address.timeout,
            headers={"Authorization": f"Bearer {address.key}"} if address.key else {},
            trust_env=not local,
        )

    def ask(self, task: str, data: Mapping[str, Any], schema: Mapping[str, Any]) -> Answer:
        """What the model makes of some data.

        Args:
            task: what it is to do.
            data: what it is to do it with.
            schema: JSON schema of the answer, an object.

        Raises:
            ModelRefuses, NoGoodAnswer.
        """
        question = {
            "model": self.address.model,
            "temperature": 0,
            "messages": [
                {"role": "system", "content": task},
                {"role": "user", "content": json.dumps(data, ensure_ascii=False)},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": dict(schema)},
            },
        }
        spent = [0, 0]
        for number in range(1, self._tries.most + 1):
            self._keep_pace()
            wait = min(self._tries.longest_pause, self._tries.first_pause * 2 ** (number - 1))
            try:
                return self._asked_once(question, schema, spent)
            except _TryAgain as error:
                if number == self._tries.most:
                    raise NoGoodAnswer(f"{error} ({number} tries)", *spent) from error
                asked_to = min(self._tries.longest_pause, error.after or 0.0)
                self._pause(max(wait * random.uniform(0.75, 1.25), asked_to))
        raise AssertionError("a question is asked at least once")

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _keep_pace(self) -> None:
        now = time.monotonic()
        if (early := self._next_question - now) > 0:
            self._pause(early)
        self._next_question = max(now, self._next_question) + 60.0 / self.address.per_minute

    def _asked_once(self, question: Mapping[str, Any], schema: Mapping[str, Any], spent: list[int]) -> Answer:
        try:
            with self._http.stream("POST", f"{self.address.url.rstrip('/')}/chat/completions", json=question) as answer:
                _require_success(answer)
                body = _limited(answer)
        except httpx.UnsupportedProtocol as error:
            raise ModelRefuses("its address is none") from error
        except httpx.TimeoutException as error:
            raise _TryAgain(f"none within {self.address.timeout:g} s") from error
        except httpx.TransportError as error:
            raise _TryAgain(f"it cannot be reached ({type(error).__name__})") from error
        text, used = _content(body)
        for place, tokens in enumerate(used):
            spent[place] += tokens
        try:
            data = json.loads(text)
            problem = next(Draft202012Validator(dict(schema)).iter_errors(data), None)  # pyright: ignore[reportUnknownMemberType]
        except ValueError as error:
            raise _TryAgain("it is no JSON") from error
        if problem is not None:
            raise _TryAgain(f"it does not fit the schema ({problem.json_path})")
        return Answer(cast("dict[str, Any]", data), *spent)


class _TryAgain(Exception):  # not an error yet
    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


def _require_success(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    if answer.status_code in RETRY_STATUS:
        after = answer.headers.get("retry-after", "")
        raise _TryAgain(f"it answered {answer.status_code}", float(after) if after.isdecimal() else None)
    raise ModelRefuses(f"it answered {answer.status_code}")


def _limited(answer: httpx.Response) -> bytes:
    parts, size = list[bytes](), 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > ANSWER_LIMIT:
            raise _TryAgain("it is too long")
        parts.append(part)
    return b"".join(parts)


def _content(body: bytes) -> tuple[str, tuple[int, int]]:
    try:
        answer: Any = json.loads(body)
        usage: Any = answer.get("usage") or {"prompt_tokens": 0}
        used = (int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))
        return str(answer["choices"][0]["message"]["content"] or ""), used
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise _TryAgain("its body is none of a chat completion") from error


def pausing(step_taken: Callable[[], None], *, slice_seconds: float = 0.25) -> Pause:
    """A pause that looks every now and then whether to go on."""

    def pause(seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            step_taken()
            time.sleep(min(slice_seconds, left))

    return pause
