from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from tests.unit.lambdas.conftest import Load


class Clock:
    """Time that passes only while somebody sleeps."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Service:
    """AWS IoT, which denies calls for some seconds, and a handler that calls it."""

    def __init__(self, load: Load) -> None:
        module = load("iam_propagation")  # with an environment without access to AWS
        self.client = boto3.client("iot", region_name="eu-west-1")
        self.client.meta.events.register("before-send", self._answer)
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
def service(load: Load) -> Service:
    return Service(load)


@pytest.mark.parametrize(
    "code", ["AccessDenied", "AccessDeniedException", "UnauthorizedException", "UnauthorizedOperation"]
)
def test_denied_call_is_repeated_until_the_permission_acts(service: Service, code: str) -> None:
    service.code, service.allowed_at = code, service.clock() + 30
    assert service.on_event({}, None) == "host"
    assert service.waited == pytest.approx(30, abs=3)
    assert service.calls > 5


def test_permission_wait_is_shared_by_the_calls_of_an_invocation(service: Service) -> None:
    for invocation in (1, 2):
        with pytest.raises(ClientError, match="AccessDeniedException"):
            service.on_event({}, None)
        with pytest.raises(ClientError):
            service._call()
        assert 60 * invocation <= service.waited <= 80 * invocation


def test_other_errors_are_not_waited_for(service: Service) -> None:
    service.code = "InvalidRequestException"
    with pytest.raises(ClientError, match="InvalidRequestException"):
        service.on_event({}, None)
    assert (service.calls, service.waited) == (1, 0)
