"""A deployed function in a process of its own, under AWS's runtime client and with its deployed environment."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from local_cloud.environment import without_aws
from tests.e2e.conftest import Deployment
from tests.e2e.lambda_runtime.runtime_api import RuntimeApi


@dataclass(frozen=True)
class Invocation:
    """What a function did with an event.

    Attributes:
        kind: ``response``, ``error`` or ``init error``.
        body: what it returned, or the error.
        seconds: how long it took from the event to the answer.
        seconds_from_start: how long it took from the start of the process.
        output: what it wrote, line by line.
    """

    kind: str
    body: Any
    seconds: float
    seconds_from_start: float
    output: list[str]

    @property
    def line(self) -> dict[str, Any]:
        """The one line that it logged, read as CloudWatch reads it."""
        (line,) = self.output
        parsed: dict[str, Any] = json.loads(line)
        return parsed


class Function:
    """A function of the deployed stack; its process starts and ends with the block.

    Args:
        deployment: the stack.
        handler: the function's, such as ``post_authentication.handler``.
        directory: where its output goes.
        variables: further environment variables, and others instead of the deployed ones.
    """

    def __init__(
        self, deployment: Deployment, handler: str, directory: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        functions = deployment.cloud.client("lambda").list_functions()["Functions"]
        (self._configuration,) = (each for each in functions if each["Handler"] == handler)
        (self._code,) = (each.parent for each in deployment.app.assembly.glob("asset.*/post_authentication.py"))
        self._output = directory / f"{time.monotonic_ns()}.log"
        self._read = 0
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
            "LAMBDA_TASK_ROOT": str(self._code),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            **self._configuration["Environment"]["Variables"],
            **(variables or {}),
        }
        self._api = RuntimeApi()

    def invoke(self, event: Any) -> Invocation:
        """Handle an event."""
        answer = self._api.invoke(event, self._configuration["Timeout"])
        return Invocation(
            answer.kind, answer.body, answer.at - self._api.taken_at, answer.at - self._started, self._new_output()
        )

    def _new_output(self) -> list[str]:
        lines = self._output.read_text().splitlines()
        new, self._read = lines[self._read :], len(lines)
        return new

    def __enter__(self) -> Self:
        self._api.__enter__()
        self._started = time.monotonic()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", self._configuration["Handler"]],
                cwd=self._code,
                env=self._variables | {"AWS_LAMBDA_RUNTIME_API": self._api.address},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._api.__exit__()
