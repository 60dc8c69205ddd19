"""The trigger with a chain and a queue in memory. It runs with a network that hangs in tests/e2e/lambda_runtime."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from attachment.deadline import DeadlineRunner
from attachment.errors import AttachmentSkippedError, MfaUserError
from attachment.internal_sign_in import CLIENT_METADATA
from attachment.pending import PendingAttachment
from tests.unit.lambdas.conftest import ENVIRONMENT, Load, client_error, log_lines
from tests.unit.lambdas.fake_chain import IDENTITY_ID, MAC, FakeChain, hangs, raises

_USER_NAME = "ada-7f3a"
_SUB = "5c0ffee0-sub"


def _event(marker: str | None = None, metadata: dict[str, str] | None = None) -> dict[str, Any]:
    user = {"sub": _SUB, "email": "ada@example.com", "cognito:user_status": "CONFIRMED"}
    if marker is not None:
        user[ENVIRONMENT["MARKER_ATTRIBUTE"]] = marker
    request: dict[str, Any] = {"userAttributes": user, "newDeviceUsed": False}
    if metadata is not None:
        request["clientMetadata"] = metadata
    return {
        "version": "1",
        "triggerSource": "PostAuthentication_Authentication",
        "region": "eu-west-1",
        "userPoolId": "eu-west-1_pool",
        "userName": _USER_NAME,
        "callerContext": {"awsSdkVersion": "aws-sdk-js", "clientId": "web"},
        "request": request,
        "response": {},
    }


def _marker(age: float = 60, fingerprint: str = ENVIRONMENT["ATTACHMENT_MARKER"]) -> str:
    return f"{fingerprint}/{IDENTITY_ID}/{int(time.time() - age)}"


class Trigger:
    """The trigger with its chain."""

    def __init__(self, module: Any, capsys: pytest.CaptureFixture[str]) -> None:
        self.module, self._capsys = module, capsys
        self.chain = FakeChain()
        module._chain_runner = DeadlineRunner(lambda _: self.chain)
        module._mac_runner = module._queue_runner = DeadlineRunner(lambda _: self.chain)

    def sign_in(self, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Handle a sign-in, check that the event is returned unchanged, and return the line that was logged."""
        event = _event() if event is None else event
        assert self.module.handler(copy.deepcopy(event), None) == event
        (line,) = log_lines(self._capsys)
        return line


@pytest.fixture
def trigger(load: Load, capsys: pytest.CaptureFixture[str]) -> Trigger:
    return Trigger(load("post_authentication"), capsys)


def test_repeat_sign_in_does_not_import_the_sdk() -> None:
    script = (
        "import json, sys, post_authentication\n"
        "event = json.loads(sys.argv[1])\n"
        "assert post_authentication.handler(event, None) == event\n"
        "print(json.dumps([name for name in ('boto3', 'botocore') if name in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, json.dumps(_event(_marker()))],
        env=ENVIRONMENT | {"PYTHONPATH": "lambdas"},
        capture_output=True,
        text=True,
        check=True,
    )
    line, modules = map(json.loads, done.stdout.splitlines())
    assert (line["outcome"], line["reason"], modules) == ("Skipped", "the marker is current", [])


def test_internal_sign_in_returns_at_once(trigger: Trigger, capsys: pytest.CaptureFixture[str]) -> None:
    trigger.chain.on_attach = hangs
    event = _event(metadata={**CLIENT_METADATA, "more": "metadata"})
    assert trigger.module.handler(event, None) == event
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "marker",
    [None, "", "garbage", _marker(fingerprint="another"), _marker(age=31 * 86_400)],
    ids=["none", "empty", "garbage", "another policy", "expired"],
)
def test_sign_in_attaches_unless_the_marker_is_current(trigger: Trigger, marker: str | None) -> None:
    line = trigger.sign_in(_event(marker))
    assert trigger.chain.attached == [IDENTITY_ID]
    assert (line["outcome"], line["Source"]) == ("Attached", "sign-in")
    assert (line["Attached"], line["Queued"], line["Skipped"], line["Failed"]) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (client_error("ThrottlingException", message=IDENTITY_ID), "AttachPolicy: ThrottlingException"),
        (RuntimeError(f"about {IDENTITY_ID}"), "RuntimeError"),
        (ImportError("no SDK"), "ImportError"),
    ],
)
def test_failed_attachment_is_queued_with_the_mac(trigger: Trigger, failure: Exception, reason: str) -> None:
    trigger.chain.on_attach = raises(failure)
    line = trigger.sign_in()
    assert trigger.chain.queued == [PendingAttachment("eu-west-1_pool", _USER_NAME, _SUB, IDENTITY_ID, MAC)]
    assert (line["outcome"], line["reason"], line["Queued"]) == ("Queued", reason, 1)


@pytest.mark.parametrize("on_mac", [hangs, raises(KeyError("Mac"))], ids=["hangs", "fails"])
def test_failed_attachment_is_queued_without_a_mac(trigger: Trigger, on_mac: Callable[..., Any]) -> None:
    trigger.chain.on_attach, trigger.chain.on_mac = raises(RuntimeError()), on_mac
    trigger.sign_in()
    assert trigger.chain.queued == [PendingAttachment("eu-west-1_pool", _USER_NAME, _SUB)]


def test_failed_queue_counts_as_failed(trigger: Trigger) -> None:
    trigger.chain.on_attach = raises(RuntimeError())
    trigger.chain.on_send = raises(client_error("AccessDenied", operation="SendMessage"))
    line = trigger.sign_in()
    assert (line["outcome"], line["Failed"]) == ("Failed", 1)
    assert line["reason"] == "RuntimeError; not queued: SendMessage: AccessDenied"


@pytest.mark.parametrize(("seconds_ago", "outcome"), [(3, "Queued"), (600, "Attached")])
def test_cold_start_counts_against_the_budget_if_it_is_recent(
    trigger: Trigger, monkeypatch: pytest.MonkeyPatch, seconds_ago: float, outcome: str
) -> None:
    monkeypatch.setattr(trigger.module, "_cold_start", time.monotonic() - seconds_ago)
    line = trigger.sign_in()
    assert line["outcome"] == outcome
    assert (line["Duration"] >= 3000) is (outcome == "Queued")
    assert trigger.sign_in()["outcome"] == "Attached"


@pytest.mark.parametrize("event", [{}, {"request": None}, {"request": {}}], ids=json.dumps)
def test_event_of_an_unknown_shape_is_returned(trigger: Trigger, event: dict[str, Any]) -> None:
    assert trigger.sign_in(event)["outcome"] == "Failed"


@pytest.mark.parametrize("empty", ["userAttributes", "clientMetadata"])
def test_event_with_empty_members_is_accepted(trigger: Trigger, empty: str) -> None:
    trigger.chain.on_attach = lambda _: "marker not set"
    event = _event()
    event["request"][empty] = None
    line = trigger.sign_in(event)
    assert (line["outcome"], line["reason"]) == ("Attached", "marker not set")


@pytest.mark.parametrize(
    ("status", "on_attach", "reason"),
    [
        ("EXTERNAL_PROVIDER", hangs, "FederatedUserError"),
        ("CONFIRMED", raises(AttachmentSkippedError()), "AttachmentSkippedError"),
        ("CONFIRMED", raises(MfaUserError()), "MfaUserError"),
    ],
)
def test_skipped_attachment_is_not_queued(
    trigger: Trigger, status: str, on_attach: Callable[..., Any], reason: str
) -> None:
    trigger.chain.on_attach = on_attach
    event = _event()
    event["request"]["userAttributes"]["cognito:user_status"] = status
    line = trigger.sign_in(event)
    assert (trigger.chain.attached, trigger.chain.queued) == ([], [])
    assert (line["outcome"], line["reason"]) == ("Skipped", reason)
