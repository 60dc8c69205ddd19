from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber

from attachment.configuration import Configuration, ConfigurationParameter
from attachment.deadline import AbandonedError, DeadlineExceededError, WorkWithDeadline
from attachment.parameters import KeptParameters, MissingParameterError

_VALUES = {"userPoolProvider": "provider", "internalClientId": "internal", "identityPoolId": "pool"}
_READ = Configuration("provider", "internal", "pool")


@pytest.fixture
def ssm() -> Iterator[Any]:
    client = boto3.client("ssm", "eu-west-1", aws_access_key_id="unit", aws_secret_access_key="unit")
    with Stubber(client) as stubber:
        yield stubber


def _answers(ssm: Any, values: dict[str, Any] = _VALUES) -> None:
    answer = {"Parameters": [{"Name": "/name", "Value": json.dumps(values)}]}
    ssm.add_response("get_parameters", answer, {"Names": ["/name"]})


def test_it_is_read_once_and_kept(ssm: Any) -> None:
    parameter = ConfigurationParameter("/name")
    _answers(ssm)
    assert parameter.read(ssm.client) == parameter.read(ssm.client) == _READ


def test_it_is_read_again_after_30_seconds(ssm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parameter = ConfigurationParameter("/name")
    _answers(ssm)
    parameter.read(ssm.client)
    later = time.monotonic() + 31
    monkeypatch.setattr(time, "monotonic", lambda: later)
    _answers(ssm, _VALUES | {"identityPoolId": "another"})
    assert parameter.read(ssm.client).identity_pool_id == "another"


def test_what_was_read_stays_in_use_when_it_cannot_be_read_again(ssm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parameter = ConfigurationParameter("/name")
    _answers(ssm)
    parameter.read(ssm.client)
    later = time.monotonic() + 31
    monkeypatch.setattr(time, "monotonic", lambda: later)
    ssm.add_client_error("get_parameters", "ThrottlingException")
    assert parameter.read(ssm.client) == _READ
    # Not tried again at every call.
    assert parameter.read(ssm.client) == _READ
    ssm.assert_no_pending_responses()


class Ssm:
    """Stands for SSM's client: answers with a value, or fails as the SDK does."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self, answer: Callable[[], dict[str, Any]]) -> None:
        self.calls = 0
        self._answer = answer

    def get_parameters(self, **_: object) -> dict[str, Any]:
        self.calls += 1
        return self._answer()


def _failing(error: Exception) -> Any:
    def fail() -> dict[str, Any]:
        raise error

    return Ssm(fail)


def _hang() -> dict[str, Any]:
    threading.Event().wait()
    return {}


def _holding(value: str) -> Any:
    return Ssm(lambda: {"Parameters": [{"Name": "/name", "Value": value}]})


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://ssm"),
        ConnectTimeoutError(endpoint_url="https://ssm"),
        EndpointConnectionError(endpoint_url="https://ssm"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
        ResponseParserError("cut off"),
        KeyError("Parameters"),
        AbandonedError(),
    ],
    ids=repr,
)
def test_it_stays_in_use_whatever_the_failure_and_the_next_sign_in_does_not_wait(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = KeptParameters("/name", keep_seconds=30)
    parameters.read(_holding("value"))
    later = time.monotonic() + 31
    monkeypatch.setattr(time, "monotonic", lambda: later)
    ssm = _failing(error)
    assert parameters.read(ssm) == parameters.read(ssm) == {"/name": "value"}
    assert ssm.calls == 1


def test_a_read_that_never_ends_holds_up_one_sign_in_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = KeptParameters("/name", keep_seconds=30)
    parameters.read(_holding("value"))
    later = time.monotonic() + 31
    hanging: Any = Ssm(_hang)
    with monkeypatch.context() as patch:
        patch.setattr("attachment.parameters.time.monotonic", lambda: later)
        with pytest.raises(DeadlineExceededError):
            WorkWithDeadline(lambda _: hanging).run(parameters.read, 0.1)
        assert parameters.read(hanging) == {"/name": "value"}
    assert hanging.calls == 1


def test_a_failure_that_comes_late_does_not_bring_an_older_value_back(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = KeptParameters("/name", keep_seconds=30)
    parameters.read(_holding("old"))
    later = time.monotonic() + 31
    monkeypatch.setattr(time, "monotonic", lambda: later)

    def fail_after_a_newer_read() -> dict[str, Any]:
        nonlocal later
        later += 31
        assert parameters.read(_holding("new")) == {"/name": "new"}
        raise AbandonedError

    assert parameters.read(Ssm(fail_after_a_newer_read)) == {"/name": "old"}  # type: ignore[arg-type]
    assert parameters.read(_failing(AbandonedError())) == {"/name": "new"}


def test_one_that_was_deleted_is_an_error_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = KeptParameters("/name", keep_seconds=30)
    parameters.read(_holding("value"))
    later = time.monotonic() + 31
    monkeypatch.setattr(time, "monotonic", lambda: later)
    gone: Any = Ssm(lambda: {"Parameters": []})
    for _ in range(2):
        with pytest.raises(MissingParameterError):
            parameters.read(gone)


def test_what_was_never_read_is_an_error(ssm: Any) -> None:
    ssm.add_client_error("get_parameters", "ThrottlingException")
    with pytest.raises(ssm.client.exceptions.ClientError, match="ThrottlingException"):
        ConfigurationParameter("/name").read(ssm.client)


def test_a_parameter_without_a_member_is_an_error(ssm: Any) -> None:
    _answers(ssm, {"userPoolProvider": "provider"})
    with pytest.raises(KeyError, match="internalClientId"):
        ConfigurationParameter("/name").read(ssm.client)


def test_a_parameter_that_is_not_there_is_an_error(ssm: Any) -> None:
    ssm.add_response("get_parameters", {"Parameters": [], "InvalidParameters": ["/name"]}, {"Names": ["/name"]})
    with pytest.raises(MissingParameterError, match="/name"):
        ConfigurationParameter("/name").read(ssm.client)
