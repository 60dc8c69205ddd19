"""Delays the visibility of new and stopped executions of state machines, if a delay was set.

ListExecutions and DescribeExecution are eventually consistent.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html

Until then a new execution does not exist, and a stopped one seems to run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions


class ExecutionConsistency:
    """When executions were started and stopped.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._started: dict[str, float] = {}
        self._stopped: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """The delay; 0 for none."""
        return self._seconds

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        """Set the delay of later changes; earlier ones are visible now."""
        self._seconds = seconds
        self._started, self._stopped = {}, {}

    def started(self, execution_arn: str) -> None:
        """Note that an execution was started."""
        if self._seconds:
            self._started[execution_arn] = self._clock()

    def stopped(self, execution_arn: str) -> None:
        """Note that an execution was stopped."""
        if self._seconds:
            self._stopped.setdefault(execution_arn, self._clock())

    def is_unseen(self, execution_arn: str) -> bool:
        """Return whether an execution is too new to be visible."""
        return self._is_recent(self._started, execution_arn)

    def seems_running(self, execution_arn: str) -> bool:
        """Return whether an execution was stopped too recently to be visible."""
        return self._is_recent(self._stopped, execution_arn)

    def _is_recent(self, times: dict[str, float], execution_arn: str) -> bool:
        return execution_arn in times and self._clock() < times[execution_arn] + self._seconds


CONSISTENCY = ExecutionConsistency()
"""This cloud's."""


def install() -> None:
    """Record starts and stops, and answer as if recent ones had not happened."""
    start, stop = stepfunctions._start_execution, stepfunctions._stop_execution
    describe, history = stepfunctions._describe_execution, stepfunctions._get_execution_history

    def start_execution(request: dict[str, Any]) -> Any:
        answer = start(request)
        if answer[0] == 200:
            CONSISTENCY.started(json.loads(answer[2])["executionArn"])
        return answer

    def stop_execution(request: dict[str, Any]) -> Any:
        answer = stop(request)
        if answer[0] == 200:
            CONSISTENCY.stopped(request["executionArn"])
        return answer

    def find(operation: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def found(request: dict[str, Any]) -> Any:
            arn = request.get("executionArn", "")
            if CONSISTENCY.is_unseen(arn):
                message = f"Execution Does Not Exist: '{arn}'"
                return stepfunctions.error_response_json("ExecutionDoesNotExist", message, 400)
            return operation(request)

        return found

    def describe_execution(request: dict[str, Any]) -> Any:
        status, headers, body = answer = describe(request)
        if status == 200 and CONSISTENCY.seems_running(request["executionArn"]):
            running = json.loads(body) | {"status": "RUNNING", "stopDate": None}
            return status, headers, json.dumps(running).encode()
        return answer

    stepfunctions._start_execution = start_execution
    stepfunctions._stop_execution = stop_execution
    stepfunctions._describe_execution = find(describe_execution)
    stepfunctions._get_execution_history = find(history)
    stepfunctions._list_executions = _list_executions(stepfunctions._list_executions)


def _list_executions(list_all: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def list_executions(request: dict[str, Any]) -> Any:
        if not CONSISTENCY.seconds:
            return list_all(request)
        wanted = request.get("statusFilter")
        status, headers, body = answer = list_all({key: each for key, each in request.items() if key != "statusFilter"})
        if status != 200:
            return answer
        document = json.loads(body)
        seen = [
            each | ({"status": "RUNNING", "stopDate": None} if CONSISTENCY.seems_running(each["executionArn"]) else {})
            for each in document["executions"]
            if not CONSISTENCY.is_unseen(each["executionArn"])
        ]
        executions = [each for each in seen if wanted in (None, each["status"])]
        return status, headers, json.dumps(document | {"executions": executions}).encode()

    return list_executions
