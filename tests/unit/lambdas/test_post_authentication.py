from __future__ import annotations

import copy
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from attachment.deadline import DeadlineRunner
from attachment.errors import AttachmentSkippedError, MfaUserError
from attachment.internal_sign_in import CLIENT_METADATA
from attachment.pending import PendingAttachment
from tests.unit.lambdas.conftest import ENVIRONMENT, Load, client_error, log_lines

_USER_NAME = "ada-7f3a"
_SUB = "5c0ffee0-sub"
_IDENTITY_ID = "eu-west-1:11111111-2222-3333-4444-555555555555"
_PENDING = PendingAttachment("eu-west-1_pool", _USER_NAME, _SUB)


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
    return f"{fingerprint}/{_IDENTITY_ID}/{int(time.time() - age)}"


class Chain:
    """Stands in for the chain: attaches, or does something else instead.

    Args:
        attach: returns why the marker was not set.
    """

    def __init__(self, attach: Callable[..., Any] = lambda _: None) -> None:
        self.attached: list[str] = []
        self._attach = attach

    def check_not_paused(self) -> None:
        return

    def check_not_internal(self, client_id: str) -> None:
        assert client_id == "web"

    def find_identity(self, pending: PendingAttachment) -> None:
        pending.identity_id = _IDENTITY_ID

    def attach(self, pending: PendingAttachment) -> Any:
        warning = self._attach(pending)
        self.attached.append(pending.user_name)
        return warning


class Queue:
    """Stands in for the retry queue: keeps the messages."""

    def __init__(
        self, send: Callable[[], Any] = lambda: None, generate_mac: Callable[[], Any] = lambda: bytes(32)
    ) -> None:
        self.messages: list[PendingAttachment] = []
        self._send, self._generate_mac = send, generate_mac

    def generate_mac(self, _: PendingAttachment) -> Any:
        return self._generate_mac()

    def send(self, pending: PendingAttachment) -> None:
        self._send()
        self.messages.append(PendingAttachment.parse(pending.to_message()))


class Trigger:
    """The trigger with a chain and a queue."""

    def __init__(self, module: Any, chain: Chain, queue: Queue, capsys: pytest.CaptureFixture[str]) -> None:
        self.module, self.chain, self.queue, self._capsys = module, chain, queue, capsys
        module._chain_runner = DeadlineRunner(lambda _: self.chain)
        module._mac_runner = module._queue_runner = DeadlineRunner(lambda _: self.queue)

    def sign_in(self, event: dict[str, Any]) -> dict[str, Any]:
        """Handle a sign-in, check that the event is returned unchanged, and return the line that was logged."""
        assert self.module.handler(copy.deepcopy(event), None) == event
        (line,) = log_lines(self._capsys)
        return line


class MakeTrigger(Protocol):
    def __call__(self, chain: Chain | None = None, queue: Queue | None = None) -> Trigger: ...


@pytest.fixture
def make_trigger(load: Load, capsys: pytest.CaptureFixture[str]) -> MakeTrigger:
    """Load the trigger with a chain and a queue that work by default."""
    return lambda chain=None, queue=None: Trigger(
        load("post_authentication"), chain or Chain(), queue or Queue(), capsys
    )


def _raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


def _hangs(*_: object) -> None:
    threading.Event().wait()


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


def test_internal_sign_in_returns_at_once(make_trigger: MakeTrigger, capsys: pytest.CaptureFixture[str]) -> None:
    trigger = make_trigger(Chain(_hangs))
    event = _event(metadata={**CLIENT_METADATA, "more": "metadata"})
    assert trigger.module.handler(event, None) == event
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "marker",
    [None, "", "garbage", _marker(fingerprint="another"), _marker(age=31 * 86_400), _marker(age=-3_600)],
    ids=["none", "empty", "garbage", "another policy", "expired", "from the future"],
)
def test_sign_in_attaches_unless_the_marker_is_current(make_trigger: MakeTrigger, marker: str | None) -> None:
    trigger = make_trigger()
    line = trigger.sign_in(_event(marker))
    assert trigger.chain.attached == [_USER_NAME]
    assert (line["outcome"], line["Source"]) == ("Attached", "sign-in")
    assert (line["Attached"], line["Queued"], line["Skipped"], line["Failed"]) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (client_error("ThrottlingException", message=_IDENTITY_ID), "AttachPolicy: ThrottlingException"),
        (RuntimeError(f"about {_IDENTITY_ID}"), "RuntimeError"),
        (ImportError("no SDK"), "ImportError"),
    ],
)
def test_failed_attachment_is_queued_with_the_mac(make_trigger: MakeTrigger, failure: Exception, reason: str) -> None:
    trigger = make_trigger(Chain(_raises(failure)))
    line = trigger.sign_in(_event())
    assert trigger.queue.messages == [PendingAttachment("eu-west-1_pool", _USER_NAME, _SUB, _IDENTITY_ID, bytes(32))]
    assert (line["outcome"], line["reason"], line["Queued"]) == ("Queued", reason, 1)


@pytest.mark.parametrize("generate_mac", [_hangs, _raises(KeyError("Mac"))], ids=["hangs", "fails"])
def test_failed_attachment_is_queued_without_a_mac(make_trigger: MakeTrigger, generate_mac: Callable[[], Any]) -> None:
    trigger = make_trigger(Chain(_raises(RuntimeError())), Queue(generate_mac=generate_mac))
    trigger.sign_in(_event())
    assert trigger.queue.messages == [_PENDING]


def test_failed_queue_counts_as_failed(make_trigger: MakeTrigger) -> None:
    denied = client_error("AccessDenied", operation="SendMessage")
    line = make_trigger(Chain(_raises(RuntimeError())), Queue(_raises(denied))).sign_in(_event())
    assert (line["outcome"], line["Failed"]) == ("Failed", 1)
    assert line["reason"] == "RuntimeError; not queued: SendMessage: AccessDenied"


def test_hanging_chain_and_queue_are_abandoned_in_time(
    make_trigger: MakeTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = make_trigger(Chain(_hangs), Queue(_hangs))
    monkeypatch.setattr(trigger.module, "_BUDGET_SECONDS", 0.1)
    monkeypatch.setattr(trigger.module, "_QUEUE_SECONDS", 0.1)
    line = trigger.sign_in(_event())
    assert line["reason"] == "DeadlineExceededError; not queued: DeadlineExceededError"
    assert line["Duration"] < 1000


def test_sign_in_after_an_abandoned_one_attaches_and_only_it_logs(
    make_trigger: MakeTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    resume, ended = threading.Event(), threading.Event()

    def attach_late(_: PendingAttachment) -> None:
        resume.wait()
        ended.set()

    trigger = make_trigger(Chain(attach_late))
    with monkeypatch.context() as patch:
        patch.setattr(trigger.module, "_BUDGET_SECONDS", 0.1)
        assert trigger.sign_in(_event())["outcome"] == "Queued"
    trigger.chain = Chain()
    resume.set()
    assert ended.wait(5)
    assert trigger.sign_in(_event())["outcome"] == "Attached"
    assert trigger.chain.attached == [_USER_NAME]


@pytest.mark.parametrize(("seconds_ago", "outcome"), [(3, "Queued"), (600, "Attached")])
def test_cold_start_counts_against_the_budget_if_it_is_recent(
    make_trigger: MakeTrigger, monkeypatch: pytest.MonkeyPatch, seconds_ago: float, outcome: str
) -> None:
    trigger = make_trigger()
    monkeypatch.setattr(trigger.module, "_cold_start", time.monotonic() - seconds_ago)
    line = trigger.sign_in(_event())
    assert line["outcome"] == outcome
    assert (line["Duration"] >= 3000) is (outcome == "Queued")
    assert trigger.sign_in(_event())["outcome"] == "Attached"


def test_user_without_a_marker_set_counts_as_attached(make_trigger: MakeTrigger) -> None:
    line = make_trigger(Chain(lambda _: "marker not set")).sign_in(_event())
    assert (line["outcome"], line["reason"]) == ("Attached", "marker not set")


@pytest.mark.parametrize("event", [{}, {"request": None}, {"request": {}}], ids=json.dumps)
def test_event_of_an_unknown_shape_is_returned(make_trigger: MakeTrigger, event: dict[str, Any]) -> None:
    assert make_trigger().sign_in(event)["outcome"] == "Failed"


@pytest.mark.parametrize("empty", ["userAttributes", "clientMetadata"])
def test_event_with_empty_members_is_accepted(make_trigger: MakeTrigger, empty: str) -> None:
    trigger = make_trigger()
    event = _event()
    event["request"][empty] = None
    trigger.sign_in(event)
    assert trigger.chain.attached == [_USER_NAME]


def test_user_without_a_sub_is_queued_by_name(make_trigger: MakeTrigger) -> None:
    trigger = make_trigger(Chain(_raises(RuntimeError())))
    event = _event()
    del event["request"]["userAttributes"]["sub"]
    trigger.sign_in(event)
    assert trigger.queue.messages == [PendingAttachment("eu-west-1_pool", _USER_NAME)]


def test_federated_user_is_skipped(make_trigger: MakeTrigger) -> None:
    trigger = make_trigger()
    event = _event()
    event["request"]["userAttributes"]["cognito:user_status"] = "EXTERNAL_PROVIDER"
    line = trigger.sign_in(event)
    assert (trigger.chain.attached, trigger.queue.messages) == ([], [])
    assert (line["outcome"], line["reason"]) == ("Skipped", "FederatedUserError")


@pytest.mark.parametrize("error", [AttachmentSkippedError, MfaUserError])
def test_skipped_attachment_is_not_queued(make_trigger: MakeTrigger, error: type[Exception]) -> None:
    trigger = make_trigger(Chain(_raises(error())))
    line = trigger.sign_in(_event())
    assert trigger.queue.messages == []
    assert (line["outcome"], line["reason"]) == ("Skipped", error.__name__)


def test_log_does_not_identify_the_user(make_trigger: MakeTrigger) -> None:
    trigger = make_trigger()
    written = json.dumps([trigger.sign_in(event) for event in (_event(), _event(_marker()))])
    for secret in (_USER_NAME, _IDENTITY_ID, _SUB, "ada@example.com"):
        assert secret not in written


def test_log_line_is_one_write(make_trigger: MakeTrigger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda's runtime flushes after each write, so two writes could become two log records."""
    written: list[str] = []
    trigger = make_trigger()
    monkeypatch.setattr("sys.stdout.write", written.append)
    trigger.module.handler(_event(), None)
    (line,) = written
    assert line.endswith("}\n")
