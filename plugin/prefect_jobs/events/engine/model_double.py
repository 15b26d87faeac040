"""A language model for tests and for trying things out: a real HTTP server that answers as one is told to.

    with model_double(lambda question: {"consistent": True, "problems": []}) as model:
        Settings(model_url=model.url, ...)

It speaks as much of the OpenAI API as `language_model` does. `faults` are answers that come first, one a question.
"""

import json
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answers = Callable[[dict[str, Any]], Any]
"""Makes the content of an answer (JSON, or a text as it is) out of the data that was asked about."""


@dataclass(frozen=True)
class Fault:
    """An answer that helps nobody."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    delay: float = 0.0


@dataclass
class ModelDouble:
    """A running double."""

    url: str
    questions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The bodies of all requests."""
    keys: list[str | None] = field(default_factory=list[Any])
    """What each request was authorised with."""


@contextmanager
def model_double(answers: Answers, faults: Iterable[Fault] = ()) -> Generator[ModelDouble]:
    """A language model on a free port of this machine."""
    waiting, lock = list(faults), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                double.questions.append(question)
                double.keys.append(self.headers.get("Authorization"))
                fault = waiting.pop(0) if waiting else None
            if fault is not None:
                time.sleep(fault.delay)
                return self._send(fault.status, fault.body, fault.headers)
            said = answers(json.loads(question["messages"][-1]["content"]))
            content = said if isinstance(said, str) else json.dumps(said)
            body = {
                "object": "chat.completion",
                "model": question["model"],
                "choices": [{"index": 0, "message": {"role": "assistant", "content": content}}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
            }
            return self._send(200, json.dumps(body), {})

        def _send(self, status: int, body: str, headers: dict[str, str]) -> None:
            data = body.encode()
            try:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):  # who asked has given up
                pass

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    double = ModelDouble(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
