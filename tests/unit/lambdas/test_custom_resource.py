"""The handler of custom resources, and its wait for new permissions."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from tests.unit.lambdas.conftest import Clock, Load

_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:custom"


class CustomResource:
    """The function behind a custom resource, and CloudFormation, which receives its responses."""

    def __init__(self, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        self.status = 200
        self.responses: list[dict[str, Any]] = []
        self.seconds_left = 900.0
        self.invocations: list[dict[str, Any]] = []
        self.polls: list[dict[str, Any]] = []
        self.now = 1_700_000_000.0
        self.module = load("custom_resource")
        monkeypatch.setattr(self.module, "_http", SimpleNamespace(request=self._receive))
        monkeypatch.setattr(self.module, "time", SimpleNamespace(time=lambda: self.now, sleep=self._sleep))
        client = SimpleNamespace(invoke=lambda **request: self.invocations.append(request))
        monkeypatch.setattr(self.module, "boto3", SimpleNamespace(client=lambda _service: client))

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.seconds_left -= seconds

    def _receive(self, method: str, url: str, *, body: str, headers: dict[str, str], **_: Any) -> SimpleNamespace:
        assert (method, url, headers) == ("PUT", "https://url", {"Content-Type": ""})
        self.responses.append(json.loads(body))
        return SimpleNamespace(status=self.status)

    def request(self, request_type: str, on_event: Any, *, completes_at: float | None = None, **more: Any) -> None:
        """Send a request of CloudFormation."""
        known = {} if request_type == "Create" else {"PhysicalResourceId": "known"}
        ids = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Logical", "ResponseURL": "https://url"}
        event = {"RequestType": request_type, "ResourceProperties": {}} | ids | known | more
        self._invoke(event, on_event, completes_at)

    def continue_until_answered(self, completes_at: float | None = None) -> None:
        """Make the invocations that the function has requested."""
        while not self.responses:
            assert self.seconds_left > 100
            request = self.invocations[-1]
            assert (request["FunctionName"], request["InvocationType"]) == (_ARN, "Event")
            self.seconds_left = 900
            self._invoke(json.loads(request["Payload"]), _fails, completes_at)

    def _invoke(self, event: dict[str, Any], on_event: Any, completes_at: float | None) -> None:
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
def resource(load: Load, monkeypatch: pytest.MonkeyPatch) -> CustomResource:
    return CustomResource(load, monkeypatch)


def _created(_event: Any, _context: Any) -> dict[str, Any]:
    return {"PhysicalResourceId": "created", "Data": {"Address": "host"}, "ExecutionArn": "execution"}


def _fails(_event: Any, _context: Any) -> dict[str, Any]:
    raise ValueError("not allowed " * 500)


def test_success_is_sent_with_id_and_data(resource: CustomResource) -> None:
    resource.request("Create", _created, completes_at=0)
    assert resource.responses == [
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
def test_exception_becomes_the_reason(resource: CustomResource, request_type: str, physical_id: str) -> None:
    resource.request(request_type, _fails)
    (response,) = resource.responses
    assert (response["Status"], response["PhysicalResourceId"]) == ("FAILED", physical_id)
    assert response["Reason"].startswith("ValueError: not allowed not allowed")
    assert response["Reason"].endswith(" (log stream log-stream)")
    assert len(json.dumps(response)) < 4096


def test_resource_that_was_not_created_needs_no_deletion(resource: CustomResource) -> None:
    resource.request("Delete", _fails, PhysicalResourceId="create-failed")
    assert resource.responses[0]["Status"] == "SUCCESS"


def test_rejected_response_fails_the_invocation(resource: CustomResource) -> None:
    """Lambda then repeats it."""
    resource.status = 403
    with pytest.raises(RuntimeError, match="rejected with status 403"):
        resource.request("Create", _created, completes_at=0)


def test_incomplete_resource_is_polled_until_complete(resource: CustomResource) -> None:
    resource.request("Delete", _created, completes_at=resource.now + 10)
    assert [each["ExecutionArn"] for each in resource.polls] == ["execution"] * 3
    assert resource.responses[0]["Status"] == "SUCCESS"


def test_function_continues_in_another_invocation(resource: CustomResource) -> None:
    completes_at = resource.now + 2000
    resource.request("Delete", _created, completes_at=completes_at)
    resource.continue_until_answered(completes_at)
    assert resource.responses[0]["Status"] == "SUCCESS"
    assert len(resource.invocations) == 2


def test_wait_ends_before_the_timeout_of_cloudformation(resource: CustomResource) -> None:
    begun = resource.now
    resource.request("Delete", _created)
    resource.continue_until_answered()
    assert 3300 < resource.now - begun < 3600
    assert resource.responses[0]["Reason"].startswith("TimeoutError: not complete after 58 minutes")


class DeniedService:
    """AWS IoT, which denies calls for some seconds, and a handler that calls it."""

    def __init__(self, load: Load) -> None:
        module = load("iam_propagation")  # with an environment without access to AWS
        self.client = boto3.client("iot", region_name="eu-west-1")
        self.client.meta.events.register("before-send", self._answer)  # type: ignore[arg-type]
        self.clock = Clock()
        self.calls = 0
        self.code = "AccessDeniedException"
        self.allowed_at = float("inf")
        wait = module.PermissionWait(self.clock, self.clock.sleep)
        self.on_event = module.waits_for_permissions(self.client, wait=wait)(self._call)

    @property
    def waited(self) -> float:
        return self.clock.now - Clock.now

    def _call(self, _event: object = None, _context: object = None) -> object:
        return self.client.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]

    def _answer(self, request: Any, **_: object) -> AWSResponse:
        self.calls += 1
        denied = {"__type": self.code, "message": "not authorized"}
        status, body = (403, denied) if self.clock() < self.allowed_at else (200, {"endpointAddress": "host"})
        raw = SimpleNamespace(stream=lambda: [json.dumps(body).encode()])
        return AWSResponse(request.url, status, HTTPHeaders(), raw)


@pytest.fixture
def service(load: Load) -> DeniedService:
    return DeniedService(load)


@pytest.mark.parametrize(
    "code", ["AccessDenied", "AccessDeniedException", "UnauthorizedException", "UnauthorizedOperation"]
)
def test_denied_call_is_repeated_until_the_permission_acts(service: DeniedService, code: str) -> None:
    service.code, service.allowed_at = code, service.clock() + 30
    assert service.on_event({}, None) == "host"
    assert service.waited == pytest.approx(30, abs=3)
    assert service.calls > 5


def test_permission_wait_is_shared_by_the_calls_of_an_invocation(service: DeniedService) -> None:
    for invocation in (1, 2):
        with pytest.raises(ClientError, match="AccessDeniedException"):
            service.on_event({}, None)
        with pytest.raises(ClientError):
            service._call()
        assert 60 * invocation <= service.waited <= 80 * invocation


def test_other_errors_are_not_waited_for(service: DeniedService) -> None:
    service.code = "InvalidRequestException"
    with pytest.raises(ClientError, match="InvalidRequestException"):
        service.on_event({}, None)
    assert (service.calls, service.waited) == (1, 0)
