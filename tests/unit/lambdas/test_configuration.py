from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from attachment.configuration import Configuration, ConfigurationParameter
from attachment.parameters import MissingParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
