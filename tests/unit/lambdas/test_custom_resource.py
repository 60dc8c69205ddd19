from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.lambdas.conftest import Load

_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:custom"


class CloudFormation:
    """Sends requests to a custom resource, and receives the responses."""

    def __init__(self) -> None:
        self.status = 200
        self.responses: list[dict[str, Any]] = []

    def request(self, request_type: str, **more: Any) -> dict[str, Any]:
        known = {} if request_type == "Create" else {"PhysicalResourceId": "known"}
        ids = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Logical", "ResponseURL": "https://url"}
        return {"RequestType": request_type, "ResourceProperties": {}} | ids | known | more

    def receive(self, method: str, url: str, *, body: str, headers: dict[str, str], **_: Any) -> SimpleNamespace:
        assert (method, url, headers) == ("PUT", "https://url", {"Content-Type": ""})
        self.responses.append(json.loads(body))
        return SimpleNamespace(status=self.status)


class Function:
    """The function behind the custom resource."""

    def __init__(self, load: Load, monkeypatch: pytest.MonkeyPatch, cloudformation: CloudFormation) -> None:
        self.module = load("custom_resource")
        monkeypatch.setattr(self.module, "_http", SimpleNamespace(request=cloudformation.receive))
        self.seconds_left = 900.0
        self.invocations: list[dict[str, Any]] = []
        self.polls: list[dict[str, Any]] = []
        self.now = 1_700_000_000.0
        clock = SimpleNamespace(time=lambda: self.now, sleep=self._sleep)
        monkeypatch.setattr(self.module, "time", clock)
        client = SimpleNamespace(invoke=lambda **request: self.invocations.append(request))
        monkeypatch.setattr(self.module, "boto3", SimpleNamespace(client=lambda _service: client))

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.seconds_left -= seconds

    def handle(self, event: dict[str, Any], on_event: Any, *, completes_at: float | None = None) -> None:
        def is_complete(polled: dict[str, Any], _context: Any) -> bool:
            self.polls.append(polled)
            return completes_at is not None and self.now >= completes_at

        context = SimpleNamespace(
            invoked_function_arn=_ARN,
            log_stream_name="log-stream",
            get_remaining_time_in_millis=lambda: self.seconds_left * 1000,
        )
        self.module.custom_resource(on_event, is_complete)(event, context)


@pytest.fixture
def cloudformation() -> CloudFormation:
    return CloudFormation()


@pytest.fixture
def function(load: Load, monkeypatch: pytest.MonkeyPatch, cloudformation: CloudFormation) -> Function:
    return Function(load, monkeypatch, cloudformation)


def _created(_event: Any, _context: Any) -> dict[str, Any]:
    return {"PhysicalResourceId": "created", "Data": {"Address": "host"}, "ExecutionArn": "execution"}


def _fails(_event: Any, _context: Any) -> dict[str, Any]:
    raise ValueError("not allowed " * 500)


def test_success_is_sent_with_id_and_data(function: Function, cloudformation: CloudFormation) -> None:
    function.handle(cloudformation.request("Create"), _created, completes_at=0)
    assert cloudformation.responses == [
        {
            "Status": "SUCCESS",
            "PhysicalResourceId": "created",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Logical",
            "Data": {"Address": "host"},
        }
    ]


@pytest.mark.parametrize(("request_type", "physical_id"), [("Create", "create-failed"), ("Update", "known")])
def test_exception_becomes_the_reason(
    function: Function, cloudformation: CloudFormation, request_type: str, physical_id: str
) -> None:
    function.handle(cloudformation.request(request_type), _fails)
    (response,) = cloudformation.responses
    assert (response["Status"], response["PhysicalResourceId"]) == ("FAILED", physical_id)
    assert response["Reason"].startswith("ValueError: not allowed not allowed")
    assert response["Reason"].endswith(" (log stream log-stream)")
    assert len(json.dumps(response)) < 4096


def test_resource_that_was_not_created_needs_no_deletion(function: Function, cloudformation: CloudFormation) -> None:
    function.handle(cloudformation.request("Delete", PhysicalResourceId="create-failed"), _fails)
    assert cloudformation.responses[0]["Status"] == "SUCCESS"


def test_rejected_response_fails_the_invocation(function: Function, cloudformation: CloudFormation) -> None:
    """So that Lambda makes it again."""
    cloudformation.status = 403
    with pytest.raises(RuntimeError, match="rejected with status 403"):
        function.handle(cloudformation.request("Create"), _created, completes_at=0)


def test_incomplete_resource_is_polled_until_complete(function: Function, cloudformation: CloudFormation) -> None:
    function.handle(cloudformation.request("Delete"), _created, completes_at=function.now + 10)
    assert [each["ExecutionArn"] for each in function.polls] == ["execution"] * 3
    assert cloudformation.responses[0]["Status"] == "SUCCESS"


def test_function_continues_in_another_invocation(function: Function, cloudformation: CloudFormation) -> None:
    completes_at = function.now + 2000
    function.handle(cloudformation.request("Delete"), _created, completes_at=completes_at)
    while not cloudformation.responses:
        assert function.seconds_left > 100
        request = function.invocations[-1]
        assert (request["FunctionName"], request["InvocationType"]) == (_ARN, "Event")
        function.seconds_left = 900
        function.handle(json.loads(request["Payload"]), _fails, completes_at=completes_at)
    assert cloudformation.responses[0]["Status"] == "SUCCESS"
    assert len(function.invocations) == 2


def test_wait_ends_before_cloudformation_gives_up(function: Function, cloudformation: CloudFormation) -> None:
    begun = function.now
    function.handle(cloudformation.request("Delete"), _created)
    while not cloudformation.responses:
        function.seconds_left = 900
        function.handle(json.loads(function.invocations[-1]["Payload"]), _fails)
    assert 3300 < function.now - begun < 3600
    assert cloudformation.responses[0]["Reason"].startswith("TimeoutError: not complete after 58 minutes")
