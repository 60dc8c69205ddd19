from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from attachment.deadline import AbandonedError, DeadlineExceededError, DeadlineRunner
from attachment.errors import AttachmentPausedError
from attachment.parameters import CachedParameters, Configuration, MissingParameterError, PauseFlag

_NAME, _FLAG = "/stack/name", "/stack/attachment-paused"


class Clock:
    """Replaces the monotonic clock."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("attachment.parameters.time.monotonic", made)
    return made


class Ssm:
    """Stands in for SSM's client: returns these values, or fails."""

    def __init__(self, **values: str) -> None:
        names = {"name": _NAME, "flag": _FLAG}
        self.values = {names[key]: value for key, value in values.items()}
        self.error: Callable[[], Any] | None = None
        self.calls = 0

    def get_parameters(self, *, Names: list[str]) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        if self.error:
            self.error()
        return {"Parameters": [{"Name": name, "Value": self.values[name]} for name in Names if name in self.values]}


def _raising(error: BaseException) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail


def _read(parameters: CachedParameters, ssm: Any) -> str:
    return parameters.read(ssm)[_NAME]


def test_parameters_are_read_again_after_30_seconds(clock: Clock) -> None:
    ssm, parameters = Ssm(name="old"), CachedParameters(_NAME)
    assert _read(parameters, ssm) == "old"
    ssm.values[_NAME] = "new"
    assert _read(parameters, ssm) == "old"
    clock.now += 31
    assert (_read(parameters, ssm), ssm.calls) == ("new", 2)


@pytest.mark.parametrize("error", [ReadTimeoutError(endpoint_url="https://ssm"), KeyError("Parameters")], ids=repr)
def test_parameters_stay_in_use_after_a_failed_read(clock: Clock, error: Exception) -> None:
    ssm, parameters = Ssm(name="value"), CachedParameters(_NAME)
    _read(parameters, ssm)
    clock.now += 31
    ssm.error = _raising(error)
    assert _read(parameters, ssm) == _read(parameters, ssm) == "value"
    assert ssm.calls == 2  # the next sign-in does not wait for it


def test_parameters_stay_in_use_after_a_read_that_hangs(clock: Clock) -> None:
    ssm, parameters = Ssm(name="value"), CachedParameters(_NAME)
    _read(parameters, ssm)
    clock.now += 31
    ssm.error = lambda: threading.Event().wait()
    with pytest.raises(DeadlineExceededError):
        DeadlineRunner(lambda _: ssm).run(lambda client: _read(parameters, client), 0.1)
    assert (_read(parameters, ssm), ssm.calls) == ("value", 2)


def test_parameters_keep_a_newer_value_after_a_late_failure(clock: Clock) -> None:
    ssm, parameters = Ssm(name="old"), CachedParameters(_NAME)
    _read(parameters, ssm)
    clock.now += 31

    def fail_after_a_newer_read() -> None:
        clock.now += 31
        assert _read(parameters, Ssm(name="new")) == "new"
        raise AbandonedError

    ssm.error = fail_after_a_newer_read
    assert _read(parameters, ssm) == "old"
    assert _read(parameters, ssm) == "new"


def test_parameters_raise_if_they_were_never_read() -> None:
    ssm = Ssm()
    ssm.error = _raising(ReadTimeoutError(endpoint_url="https://ssm"))
    with pytest.raises(ReadTimeoutError):
        _read(CachedParameters(_NAME), ssm)


def test_parameters_raise_each_time_once_one_is_deleted(clock: Clock) -> None:
    ssm, parameters = Ssm(name="value"), CachedParameters(_NAME)
    _read(parameters, ssm)
    clock.now += 31
    for _ in range(2):
        with pytest.raises(MissingParameterError, match=_NAME):
            _read(parameters, Ssm())


def test_configuration_needs_every_member() -> None:
    values = {"userPoolProvider": "provider", "internalClientId": "internal", "identityPoolId": "pool"}
    assert Configuration.from_json(json.dumps(values)) == Configuration("provider", "internal", "pool")
    for name in values:
        with pytest.raises(KeyError, match=name):
            Configuration.from_json(json.dumps({key: value for key, value in values.items() if key != name}))


@pytest.mark.parametrize("value", ["true", "", "False", "off"])
def test_pause_flag_pauses_with_every_value_but_false(clock: Clock, value: str) -> None:
    ssm: Any = Ssm(flag="false", name="value")
    flag = PauseFlag(_FLAG, CachedParameters(_NAME, _FLAG))
    flag.check(ssm)
    clock.now += 31  # functions notice it after half a minute
    ssm.values[_FLAG] = value
    with pytest.raises(AttachmentPausedError):
        flag.check(ssm)
    assert ssm.calls == 2


def test_pause_flag_is_set_and_reset() -> None:
    client = boto3.client("ssm", "eu-west-1", aws_access_key_id="unit", aws_secret_access_key="unit")
    flag = PauseFlag(_FLAG)
    with Stubber(client) as ssm:
        for value in ("true", "false"):
            ssm.add_response("put_parameter", {}, {"Name": _FLAG, "Value": value, "Overwrite": True})
            ssm.add_response("get_parameters", {"Parameters": [{"Name": _FLAG, "Value": value}]}, {"Names": [_FLAG]})
        flag.pause(client)
        with pytest.raises(AttachmentPausedError):
            flag.check(client)
        flag.resume(client)
        flag.check(client)
