from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from attachment.deadline import AbandonedError, DeadlineExceededError, DeadlineRunner
from attachment.errors import AttachmentPausedError
from attachment.parameters import (
    CachedParameters,
    Configuration,
    MissingParameterError,
    PauseFlag,
    StaleParametersError,
)
from tests.unit.lambdas.fake_aws import FakeSsm

_NAME, _FLAG = "/stack/name", "/stack/attachment-paused"


class Ssm:
    """Stands in for SSM's client and the clock: returns its value, or does something else first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.values = {_NAME: "old", _FLAG: "false"}
        self.meanwhile: Callable[[], Any] = lambda: None
        self.calls = 0
        self.now = time.monotonic()
        monkeypatch.setattr("attachment.parameters.time.monotonic", lambda: self.now)
        self.parameters = CachedParameters(_NAME)

    def get_parameters(self, *, Names: list[str]) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        self.meanwhile()
        return {"Parameters": [{"Name": name, "Value": self.values[name]} for name in Names if name in self.values]}

    def read(self) -> str:
        client: Any = self
        return self.parameters.read(client)[_NAME]

    def expire(self) -> None:
        """Let half a minute pass, after which parameters are read again."""
        self.now += 31


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Ssm:
    return Ssm(monkeypatch)


def _raising(error: BaseException) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail


def test_parameters_are_read_again_after_30_seconds(ssm: Ssm) -> None:
    assert ssm.read() == "old"
    ssm.values[_NAME] = "new"
    assert ssm.read() == "old"
    ssm.expire()
    assert (ssm.read(), ssm.calls) == ("new", 2)


@pytest.mark.parametrize("error", [ReadTimeoutError(endpoint_url="https://ssm"), KeyError("Parameters")], ids=repr)
def test_parameters_stay_in_use_after_a_failed_read(ssm: Ssm, error: Exception) -> None:
    ssm.read()
    ssm.expire()
    ssm.meanwhile = _raising(error)
    assert ssm.read() == ssm.read() == "old"
    assert ssm.calls == 2  # the next sign-in does not wait for it


def test_parameters_stay_in_use_after_a_read_that_hangs(ssm: Ssm) -> None:
    ssm.read()
    ssm.expire()
    ssm.meanwhile = lambda: threading.Event().wait()
    with pytest.raises(DeadlineExceededError):
        DeadlineRunner(lambda _: ssm).run(lambda each: each.read(), 0.1)
    assert (ssm.read(), ssm.calls) == ("old", 2)


def test_parameters_keep_a_newer_value_after_a_late_failure(ssm: Ssm) -> None:
    ssm.read()
    ssm.expire()

    def fail_after_a_newer_read() -> None:
        ssm.expire()
        ssm.values[_NAME], ssm.meanwhile = "new", lambda: None
        assert ssm.read() == "new"
        raise AbandonedError

    ssm.meanwhile = fail_after_a_newer_read
    assert [ssm.read(), ssm.read()] == ["old", "new"]


def test_parameters_raise_if_they_were_never_read(ssm: Ssm) -> None:
    ssm.meanwhile = _raising(ReadTimeoutError(endpoint_url="https://ssm"))
    with pytest.raises(ReadTimeoutError):
        ssm.read()


def test_parameters_raise_each_time_once_one_is_deleted(ssm: Ssm) -> None:
    ssm.read()
    ssm.expire()
    ssm.values.clear()
    for _ in range(2):
        with pytest.raises(MissingParameterError, match=_NAME):
            ssm.read()


def test_configuration_needs_every_member() -> None:
    values = {"userPoolProvider": "provider", "internalClientId": "internal", "identityPoolId": "pool"}
    assert Configuration.from_json(json.dumps(values)) == Configuration("provider", "internal", "pool")
    for name in values:
        with pytest.raises(KeyError, match=name):
            Configuration.from_json(json.dumps({key: value for key, value in values.items() if key != name}))


@pytest.mark.parametrize("value", ["true", "", "False", "off"])
def test_pause_flag_pauses_with_every_value_but_false(ssm: Ssm, value: str) -> None:
    client: Any = ssm
    flag = PauseFlag(_FLAG, CachedParameters(_NAME, _FLAG))
    flag.check(client)
    ssm.expire()  # functions notice it after half a minute
    ssm.values[_FLAG] = value
    with pytest.raises(AttachmentPausedError):
        flag.check(client)
    assert ssm.calls == 2


def test_pause_flag_that_cannot_be_read_is_used_for_one_minute(ssm: Ssm) -> None:
    client: Any = ssm
    parameters = CachedParameters(_NAME, _FLAG)
    flag = PauseFlag(_FLAG, parameters)
    flag.check(client)
    ssm.meanwhile = _raising(ReadTimeoutError(endpoint_url="https://ssm"))
    ssm.expire()
    flag.check(client)
    ssm.expire()
    with pytest.raises(ReadTimeoutError):
        flag.check(client)
    with pytest.raises(StaleParametersError):  # without another read
        flag.check(client)
    assert ssm.calls == 3
    assert parameters.read(client)[_NAME] == "old"  # the configuration stays in use
    ssm.now += 6
    ssm.meanwhile = lambda: None
    flag.check(client)


def test_pause_flag_is_set_and_reset() -> None:
    client = boto3.client("ssm", "eu-west-1", aws_access_key_id="unit", aws_secret_access_key="unit")
    flag, ssm = PauseFlag(_FLAG), FakeSsm(client)
    ssm.values = {_FLAG: "false"}
    flag.check(client)
    flag.pause(client)
    with pytest.raises(AttachmentPausedError):
        flag.check(client)
    flag.resume(client)
    flag.check(client)
    assert all(each["Overwrite"] for each in ssm.requests("put_parameter"))
