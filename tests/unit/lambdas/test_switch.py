from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from attachment.errors import AttachmentPausedError
from attachment.parameters import KeptParameters
from attachment.switch import KEEP_SECONDS, AttachingSwitch

_SWITCH, _OTHER = "/stack/attachment-paused", "/stack/other"


@pytest.fixture
def ssm() -> Iterator[Any]:
    client = boto3.client("ssm", "eu-west-1", aws_access_key_id="unit", aws_secret_access_key="unit")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def _answers(ssm: Any, **values: str) -> None:
    names = {"switch": _SWITCH, "other": _OTHER}
    parameters = [{"Name": names[key], "Value": value} for key, value in values.items()]
    ssm.add_response("get_parameters", {"Parameters": parameters}, {"Names": [each["Name"] for each in parameters]})


def test_turned_on_it_stops_nobody_and_is_read_once(ssm: Any) -> None:
    switch = AttachingSwitch(_SWITCH)
    _answers(ssm, switch="false")
    switch.check(ssm.client)
    switch.check(ssm.client)


@pytest.mark.parametrize("position", ["true", "", "False"])
def test_anything_else_stops_everybody(ssm: Any, position: str) -> None:
    _answers(ssm, switch=position)
    with pytest.raises(AttachmentPausedError):
        AttachingSwitch(_SWITCH).check(ssm.client)


def test_who_has_read_it_notices_after_half_a_minute(ssm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = AttachingSwitch(_SWITCH)
    _answers(ssm, switch="false")
    switch.check(ssm.client)
    later = time.monotonic() + KEEP_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    _answers(ssm, switch="true")
    with pytest.raises(AttachmentPausedError):
        switch.check(ssm.client)


def test_it_is_read_together_with_what_is_needed_anyway(ssm: Any) -> None:
    parameters = KeptParameters(_OTHER, _SWITCH, keep_seconds=KEEP_SECONDS)
    _answers(ssm, other="value", switch="false")
    AttachingSwitch(_SWITCH, parameters).check(ssm.client)
    assert parameters.read(ssm.client)[_OTHER] == "value"


def test_it_is_turned_off_and_on(ssm: Any) -> None:
    switch = AttachingSwitch(_SWITCH)
    for value in ("true", "false"):
        ssm.add_response("put_parameter", {}, {"Name": _SWITCH, "Value": value, "Overwrite": True})
    switch.turn_off(ssm.client)
    switch.turn_on(ssm.client)
