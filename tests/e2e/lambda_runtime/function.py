"""A deployed function in its own process, under AWS's runtime client and with its deployed environment.

The process gets its events from the Lambda Runtime API, which this module serves as far as the client uses it:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

from local_cloud.environment import without_aws
from tests.e2e.conftest import Deployment

_PREFIX = "/2018-06-01/runtime/"
_MAX_SECONDS = 60.0


@dataclass(frozen=True)
class Invocation:
    """The result of one invocation."""

    kind: str
    """``response``, ``error``, or ``init error`` if the function could not be loaded."""
    body: Any
    """The returned value, or the error."""
    seconds: float
    """The time from the event to the result."""
    seconds_from_start: float
    """The time from the start of the process to the result."""
    output: list[str]
    """The lines that the function wrote."""

    @property
    def line(self) -> dict[str, Any]:
        """The only line that the function logged, parsed as CloudWatch parses it."""
        (line,) = self.output
        parsed: dict[str, Any] = json.loads(line)
        return parsed


class Function:
    """A function of the deployed stack; its process runs until the block ends.

    Args:
        deployment: the stack.
        handler: the function's handler, such as ``post_authentication.handler``.
        directory: for the file with its output.
        variables: environment variables that replace deployed ones.
    """

    def __init__(
        self, deployment: Deployment, handler: str, directory: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        functions = deployment.cloud.client("lambda").list_functions()["Functions"]
        (self._configuration,) = (each for each in functions if each["Handler"] == handler)
        (self._code,) = (each.parent for each in deployment.app.assembly.glob("asset.*/post_authentication.py"))
        self._output = directory / f"{time.monotonic_ns()}.log"
        self._lines_read = 0
        self._api = _RuntimeApi(self._configuration["Timeout"])
        role = deployment.cloud.client("sts").assume_role(
            RoleArn=self._configuration["Role"], RoleSessionName="function"
        )["Credentials"]
        self._variables = {
            **without_aws({}),
            **deployment.cloud.variables(),
            "AWS_ACCESS_KEY_ID": role["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
            "AWS_SESSION_TOKEN": role["SessionToken"],
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": self._configuration["FunctionName"],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._configuration["MemorySize"]),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}",
            "LAMBDA_TASK_ROOT": str(self._code),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            **self._configuration["Environment"]["Variables"],
            **(variables or {}),
        }

    def invoke(self, event: Any) -> Invocation:
        """Pass an event to the function and wait for the result.

        Raises:
            queue.Empty: there is no result within a minute.
        """
        self._api.events.put(json.dumps(event).encode())
        kind, body, ended = self._api.results.get(timeout=_MAX_SECONDS)
        lines = self._output.read_text().splitlines()
        new, self._lines_read = lines[self._lines_read :], len(lines)
        return Invocation(kind, body, ended - self._api.event_taken_at, ended - self._started, new)

    def __enter__(self) -> Self:
        threading.Thread(target=self._api.serve_forever, daemon=True).start()
        self._started = time.monotonic()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", self._configuration["Handler"]],
                cwd=self._code,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._api.events.put(None)
        self._api.shutdown()
        self._api.server_close()


class _RuntimeApi(ThreadingHTTPServer):
    """The Runtime API of one function, on a loopback port.

    Args:
        timeout: the function's timeout in seconds, which the client gets as its deadline.
    """

    def __init__(self, timeout: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.function_timeout = timeout
        self.events: SimpleQueue[bytes | None] = SimpleQueue()
        """Events for the client; None ends its connection."""
        self.event_taken_at = 0.0
        """When the client took the last event, on the monotonic clock."""
        self.results: SimpleQueue[tuple[str, Any, float]] = SimpleQueue()
        """Kind, body, and time on the monotonic clock."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _RuntimeApi

    def do_GET(self) -> None:
        if self.path != f"{_PREFIX}invocation/next":
            self.send_error(404)
            return
        event = self.server.events.get()
        if event is None:
            self.close_connection = True
            return
        self.server.event_taken_at = time.monotonic()
        deadline = int((time.time() + self.server.function_timeout) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:under-test",
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000",
        }
        self._send(200, event, headers)

    def do_POST(self) -> None:
        """Receive a result, at ``init/error``, ``invocation/<id>/response`` or ``invocation/<id>/error``."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        first, *_, last = self.path.removeprefix(_PREFIX).split("/")
        self.server.results.put(("init error" if first == "init" else last, body, time.monotonic()))
        self._send(202, b"{}", {})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing to the test's standard error."""
