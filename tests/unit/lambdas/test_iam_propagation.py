from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from tests.unit.lambdas.conftest import Load


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Raw:
    """A body as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: object) -> list[bytes]:
        return [self._content]


class Service:
    """Answers a client's requests in the place of AWS: denied until some time, then well."""

    def __init__(self, client: Any, clock: Clock, *, allowed_at: float, code: str = "AccessDeniedException") -> None:
        self.calls: list[float] = []
        self._clock, self._allowed_at, self._code = clock, allowed_at, code
        client.meta.events.register("before-send", self._answer)

    def _answer(self, request: Any, **_: object) -> AWSResponse:
        self.calls.append(self._clock())
        if self._clock() < self._allowed_at:
            body, status = {"__type": self._code, "message": "not authorized"}, 403
        else:
            body, status = {"endpointAddress": "host"}, 200
        return AWSResponse(request.url, status, HTTPHeaders(), Raw(json.dumps(body).encode()))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _handler(load: Load, clock: Clock, client: Any) -> Any:
    module = load("iam_propagation")
    waiting = module.PermissionWait(clock, clock.sleep)

    def on_event(_event: object, _context: object) -> object:
        return client.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]

    return module.waits_for_permissions(client, wait=waiting)(on_event)


@pytest.fixture
def client(load: Load) -> Any:
    load("iam_propagation")  # with an environment that AWS is out of reach of
    return boto3.client("iot", region_name="eu-west-1")


@pytest.mark.parametrize(
    "code", ["AccessDenied", "AccessDeniedException", "UnauthorizedException", "UnauthorizedOperation"]
)
def test_a_denied_call_is_repeated_until_the_permission_acts(load: Load, clock: Clock, client: Any, code: str) -> None:
    service = Service(client, clock, allowed_at=clock() + 30, code=code)
    assert _handler(load, clock, client)({}, None) == "host"
    assert clock() - 1000 == pytest.approx(30, abs=3)
    assert len(service.calls) > 5


def test_a_call_that_stays_denied_fails_after_about_a_minute(load: Load, clock: Clock, client: Any) -> None:
    Service(client, clock, allowed_at=clock() + 3600)
    on_event = _handler(load, clock, client)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        on_event({}, None)
    assert 60 <= clock() - 1000 <= 80


def test_permission_wait_is_shared_by_the_calls_of_an_invocation(load: Load, clock: Clock, client: Any) -> None:
    Service(client, clock, allowed_at=clock() + 3600)
    on_event = _handler(load, clock, client)
    for invocation in (1, 2):
        with pytest.raises(ClientError):
            on_event({}, None)
        with pytest.raises(ClientError):
            client.describe_endpoint(endpointType="iot:Data-ATS")
        assert clock() - 1000 <= 80 * invocation
    assert clock() - 1000 >= 120


def test_other_errors_are_not_waited_for(load: Load, clock: Clock, client: Any) -> None:
    service = Service(client, clock, allowed_at=clock() + 30, code="InvalidRequestException")
    with pytest.raises(ClientError, match="InvalidRequestException"):
        _handler(load, clock, client)({}, None)
    assert (len(service.calls), clock()) == (1, 1000)
