"""The Lambda Runtime API, as far as AWS's runtime client uses it for one function.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from typing import Any, Self

_PREFIX = "/2018-06-01/runtime/"
_LONGEST_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """What the runtime client posted.

    Attributes:
        kind: ``response``, ``error``, or ``init error`` for a function that could not be loaded.
        body: the JSON of it.
        at: when it came, on the monotonic clock.
    """

    kind: str
    body: Any
    at: float


@dataclass(frozen=True)
class _Event:
    request_id: str
    body: bytes
    seconds: float


class RuntimeApi:
    """Serves events to a runtime client on a loopback port, until the block ends."""

    def __init__(self) -> None:
        self._events: SimpleQueue[_Event | None] = SimpleQueue()
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self.taken_at = 0.0
        """When the client took the last event, on the monotonic clock."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path != f"{_PREFIX}invocation/next":
                    self.send_error(404)
                    return
                event = api._events.get()
                if event is None:  # the block has ended
                    self.close_connection = True
                    return
                api.taken_at = time.monotonic()
                deadline = int((time.time() + event.seconds) * 1000)
                self._send(200, event.body, event.request_id, deadline)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                # init/error, invocation/ID/response or invocation/ID/error
                what = self.path.removeprefix(_PREFIX).split("/")
                kind = "init error" if what[0] == "init" else what[-1]
                api._answers.put(Answer(kind, body, time.monotonic()))
                self._send(202, b"{}")

            def _send(self, status: int, body: bytes, request_id: str = "", deadline: int = 0) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if request_id:
                    arn = "arn:aws:lambda:us-east-1:000000000000:function:under-test"
                    self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
                    self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline))
                    self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
                    self.send_header("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Write nothing to the test's standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        """What a function finds in ``AWS_LAMBDA_RUNTIME_API``."""
        return f"127.0.0.1:{self._server.server_port}"

    def invoke(self, event: Any, seconds: float) -> Answer:
        """Give an event to the function and wait for its answer.

        Args:
            event: anything that JSON has.
            seconds: how long the function has, as it is told.

        Raises:
            TimeoutError: there is no answer in a minute.
        """
        self._events.put(_Event(str(uuid.uuid4()), json.dumps(event).encode(), seconds))
        try:
            return self._answers.get(timeout=_LONGEST_SECONDS)
        except Empty:
            raise TimeoutError("the function does not answer") from None

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()
