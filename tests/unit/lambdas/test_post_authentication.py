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
from botocore.exceptions import ClientError

from attachment.deadline import WorkWithDeadline
from attachment.errors import AttachmentPausedError, CannotSignInError, InternalSignInLoopError, MfaUserError
from attachment.owed import Owed
from tests.unit.lambdas.conftest import ENVIRONMENT, Load

_USER_NAME = "ada-7f3a"
_SUB = "5c0ffee0-sub"
_IDENTITY_ID = "eu-west-1:11111111-2222-3333-4444-555555555555"


def _event(marker: str | None = None, client_id: str = "web", metadata: dict[str, str] | None = None) -> dict[str, Any]:
    attributes = {"sub": _SUB, "email": "ada@example.com", "cognito:user_status": "CONFIRMED"}
    if marker is not None:
        attributes["custom:pubsub_attachment"] = marker
    request: dict[str, Any] = {"userAttributes": attributes, "newDeviceUsed": False}
    if metadata is not None:
        request["clientMetadata"] = metadata
    return {
        "version": "1",
        "triggerSource": "PostAuthentication_Authentication",
        "region": "eu-west-1",
        "userPoolId": "eu-west-1_pool",
        "userName": _USER_NAME,
        "callerContext": {"awsSdkVersion": "aws-sdk-js", "clientId": client_id},
        "request": request,
        "response": {},
    }


def _current_marker() -> str:
    return f"{ENVIRONMENT['ATTACHMENT_MARKER']}/{_IDENTITY_ID}/{int(time.time()) - 60}"


def _line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (line,) = capsys.readouterr().out.splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


class Chain:
    """Stands for the chain: attaches, or does what it is given instead.

    Args:
        attach: is given what is owed; what it returns says why the user could not be marked.
    """

    def __init__(self, attach: Callable[[Owed], Any] = lambda _: None) -> None:
        self.attached: list[str] = []
        self._attach = attach

    def check_is_on(self) -> None:
        return

    def refuse_nested(self, _client_id: str) -> None:
        return

    def find_identity(self, owed: Owed) -> None:
        owed.identity_id = _IDENTITY_ID

    def attach(self, owed: Owed) -> Any:
        not_marked = self._attach(owed)
        self.attached.append(owed.user_name)
        return not_marked


class Queue:
    """Stands for the retry queue: keeps what is put into it."""

    def __init__(self, send: Callable[[], Any] = lambda: None, prove: Callable[[], Any] = lambda: bytes(32)) -> None:
        self.messages: list[Owed] = []
        self._send, self._prove = send, prove

    @property
    def users(self) -> list[str]:
        return [each.user_name for each in self.messages]

    def prove(self, _owed: Owed) -> Any:
        return self._prove()

    def send(self, owed: Owed) -> None:
        self._send()
        self.messages.append(Owed.parse(owed.to_message()))


class Trigger:
    """The trigger's module, with a chain and a queue standing in."""

    def __init__(self, module: Any, chain: Chain, queue: Queue) -> None:
        self.module, self.chain, self.queue = module, chain, queue
        module._attaching = WorkWithDeadline(lambda _: self.chain)
        module._proving = module._queueing = WorkWithDeadline(lambda _: self.queue)

    def sign_in(self, event: dict[str, Any]) -> None:
        """Handle a sign-in, and see that the event comes back as it was."""
        assert self.module.handler(copy.deepcopy(event), None) == event


class MakeTrigger(Protocol):
    def __call__(self, chain: Chain | None = None, queue: Queue | None = None) -> Trigger: ...


@pytest.fixture
def make_trigger(load: Load) -> MakeTrigger:
    """Load the trigger; without a chain or a queue each works."""

    def make(chain: Chain | None = None, queue: Queue | None = None) -> Trigger:
        return Trigger(load("post_authentication"), chain or Chain(), queue or Queue())

    return make


def _raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


def _hangs(*_: object) -> None:
    threading.Event().wait()


def test_a_repeat_sign_in_leaves_the_sdk_out_of_the_process() -> None:
    script = (
        "import json, sys, post_authentication\n"
        "event = json.loads(sys.argv[1])\n"
        "answer = post_authentication.handler(event, None)\n"
        "assert answer == event, answer\n"
        "print(json.dumps([name for name in ('boto3', 'botocore') if name in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, json.dumps(_event(_current_marker()))],
        env=ENVIRONMENT | {"PYTHONPATH": "lambdas"},
        capture_output=True,
        text=True,
        check=True,
    )
    report, modules = done.stdout.splitlines()
    assert json.loads(report)["outcome"] == "Skipped"
    assert json.loads(modules) == []


def test_the_internal_sign_in_is_let_through_without_a_word(
    make_trigger: MakeTrigger, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = make_trigger()
    trigger.sign_in(_event(metadata={"amplify-pubsub": "nested", "more": "of it"}))
    assert (trigger.chain.attached, trigger.queue.users) == ([], [])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "marker",
    [
        None,
        "",
        "garbage",
        f"other-fingerprint/{_IDENTITY_ID}/{int(time.time())}",
        f"{ENVIRONMENT['ATTACHMENT_MARKER']}/{_IDENTITY_ID}/{int(time.time()) - 31 * 86_400}",
        f"{ENVIRONMENT['ATTACHMENT_MARKER']}/{_IDENTITY_ID}/{int(time.time()) + 3_600}",
    ],
    ids=["none", "empty", "garbage", "of another policy", "expired", "from the future"],
)
def test_only_a_current_marker_saves_the_attachment(
    make_trigger: MakeTrigger, capsys: pytest.CaptureFixture[str], marker: str | None
) -> None:
    trigger = make_trigger()
    trigger.sign_in(_event(marker))
    assert trigger.chain.attached == [_USER_NAME]
    line = _line(capsys)
    assert (line["outcome"], line["Attached"], line["Skipped"], line["Failed"]) == ("Attached", 1, 0, 0)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (
            ClientError({"Error": {"Code": "ThrottlingException", "Message": _IDENTITY_ID}}, "AttachPolicy"),
            "AttachPolicy: ThrottlingException",
        ),
        (RuntimeError(f"about {_IDENTITY_ID}"), "RuntimeError"),
        (ImportError("no SDK"), "ImportError"),
    ],
)
def test_a_failed_attachment_is_owed_and_the_sign_in_goes_on(
    make_trigger: MakeTrigger, capsys: pytest.CaptureFixture[str], failure: Exception, reason: str
) -> None:
    trigger = make_trigger(Chain(_raises(failure)))
    trigger.sign_in(_event())
    assert trigger.queue.messages == [Owed("eu-west-1_pool", _USER_NAME, _SUB, _IDENTITY_ID, bytes(32))]
    line = _line(capsys)
    assert (line["outcome"], line["reason"], line["Source"]) == ("Queued", reason, "sign-in")
    assert (line["Attached"], line["Queued"], line["Skipped"], line["Failed"]) == (0, 1, 0, 0)


@pytest.mark.parametrize("prove", [_hangs, _raises(KeyError("Mac"))], ids=["no answer", "no proof"])
def test_what_cannot_be_proven_is_owed_all_the_same(make_trigger: MakeTrigger, prove: Callable[[], Any]) -> None:
    trigger = make_trigger(Chain(_raises(RuntimeError())), Queue(prove=prove))
    trigger.sign_in(_event())
    assert trigger.queue.messages == [Owed("eu-west-1_pool", _USER_NAME, _SUB)]


def test_what_cannot_be_queued_either_is_counted_as_failed_and_the_sign_in_goes_on(
    make_trigger: MakeTrigger, capsys: pytest.CaptureFixture[str]
) -> None:
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": _USER_NAME}}, "SendMessage")
    make_trigger(Chain(_raises(RuntimeError())), Queue(_raises(denied))).sign_in(_event())
    line = _line(capsys)
    assert (line["outcome"], line["Failed"]) == ("Failed", 1)
    assert line["reason"] == "RuntimeError; not queued: SendMessage: AccessDenied"


def test_a_queue_that_hangs_is_given_up_within_its_own_time(
    make_trigger: MakeTrigger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = make_trigger(Chain(_hangs), Queue(_hangs))
    monkeypatch.setattr(trigger.module, "_BUDGET_SECONDS", 0.1)
    monkeypatch.setattr(trigger.module, "_QUEUE_SECONDS", 0.1)
    trigger.sign_in(_event())
    line = _line(capsys)
    assert line["reason"] == "DeadlineExceededError; not queued: DeadlineExceededError"
    assert line["Duration"] < 1000


def test_a_hanging_attachment_is_given_up_and_the_sign_in_goes_on(
    make_trigger: MakeTrigger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = make_trigger(Chain(_hangs))
    monkeypatch.setattr(trigger.module, "_BUDGET_SECONDS", 0.1)
    trigger.sign_in(_event())
    assert _line(capsys)["reason"] == "DeadlineExceededError"
    assert trigger.queue.users == [_USER_NAME]


def test_the_sign_in_after_one_that_was_given_up_attaches_and_only_it_logs(
    make_trigger: MakeTrigger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    go_on, ended = threading.Event(), threading.Event()

    def late(_owed: Owed) -> None:
        go_on.wait()
        ended.set()

    trigger = make_trigger(Chain(late))
    with monkeypatch.context() as patch:
        patch.setattr(trigger.module, "_BUDGET_SECONDS", 0.1)
        trigger.sign_in(_event())
    assert _line(capsys)["outcome"] == "Queued"
    trigger.chain = Chain()
    trigger.sign_in(_event())
    go_on.set()
    assert ended.wait(5)
    assert _line(capsys)["outcome"] == "Attached"
    assert trigger.chain.attached == [_USER_NAME]


def test_a_cold_start_counts_against_the_budget(
    make_trigger: MakeTrigger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = make_trigger()
    monkeypatch.setattr(trigger.module, "_cold_start", time.monotonic() - 3)
    trigger.sign_in(_event())
    line = _line(capsys)
    assert (line["outcome"], line["reason"]) == ("Queued", "DeadlineExceededError")
    assert line["Duration"] >= 3000
    trigger.sign_in(_event())
    assert _line(capsys)["outcome"] == "Attached"


def test_an_environment_started_ahead_of_need_has_its_whole_budget(
    make_trigger: MakeTrigger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = make_trigger()
    monkeypatch.setattr(trigger.module, "_cold_start", time.monotonic() - 600)
    trigger.sign_in(_event())
    line = _line(capsys)
    assert line["outcome"] == "Attached"
    assert line["Duration"] < 1000


def test_a_user_attached_but_not_marked_counts_as_attached(
    make_trigger: MakeTrigger, capsys: pytest.CaptureFixture[str]
) -> None:
    not_marked = "not marked: AdminUpdateUserAttributes: TooManyRequestsException"
    make_trigger(Chain(lambda _: not_marked)).sign_in(_event())
    line = _line(capsys)
    assert (line["outcome"], line["Attached"], line["Failed"]) == ("Attached", 1, 0)
    assert line["reason"] == not_marked


@pytest.mark.parametrize("event", [{}, {"request": None}, {"request": {}}], ids=json.dumps)
def test_an_event_of_an_unknown_shape_is_returned_too(
    make_trigger: MakeTrigger, capsys: pytest.CaptureFixture[str], event: dict[str, Any]
) -> None:
    make_trigger().sign_in(event)
    assert _line(capsys)["outcome"] == "Failed"


@pytest.mark.parametrize("empty", ["userAttributes", "clientMetadata", "marker"])
def test_members_without_a_value_are_as_good_as_none(make_trigger: MakeTrigger, empty: str) -> None:
    trigger = make_trigger()
    event = _event()
    if empty == "marker":
        event["request"]["userAttributes"][ENVIRONMENT["MARKER_ATTRIBUTE"]] = None
    else:
        event["request"][empty] = None
    trigger.sign_in(event)
    assert trigger.chain.attached == [_USER_NAME]


def test_a_user_without_a_sub_is_owed_by_name(make_trigger: MakeTrigger) -> None:
    trigger = make_trigger(Chain(_raises(RuntimeError())))
    event = _event()
    del event["request"]["userAttributes"]["sub"]
    trigger.sign_in(event)
    assert trigger.queue.messages == [Owed("eu-west-1_pool", _USER_NAME)]


def test_a_federated_user_is_not_signed_in_by_a_challenge(
    make_trigger: MakeTrigger, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = make_trigger()
    event = _event()
    event["request"]["userAttributes"]["cognito:user_status"] = "EXTERNAL_PROVIDER"
    trigger.sign_in(event)
    assert (trigger.chain.attached, trigger.queue.users) == ([], [])
    line = _line(capsys)
    assert (line["outcome"], line["reason"]) == ("Skipped", "FederatedUserError")


def test_the_log_tells_nothing_about_the_user(make_trigger: MakeTrigger, capsys: pytest.CaptureFixture[str]) -> None:
    trigger = make_trigger()
    for event in (_event(), _event(_current_marker())):
        trigger.sign_in(event)
    written = capsys.readouterr().out
    for secret in (_USER_NAME, _IDENTITY_ID, _SUB, "ada@example.com"):
        assert secret not in written


def test_a_line_is_written_at_once(make_trigger: MakeTrigger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda's runtime flushes after each write, so that two of them could be two log records."""
    written: list[str] = []
    trigger = make_trigger()
    monkeypatch.setattr("sys.stdout.write", written.append)
    trigger.sign_in(_event())
    (line,) = written
    assert line.endswith("}\n")


@pytest.mark.parametrize("error", [InternalSignInLoopError, AttachmentPausedError, CannotSignInError, MfaUserError])
def test_who_is_not_to_be_attached_by_the_trigger_is_owed_nothing(
    make_trigger: MakeTrigger, capsys: pytest.CaptureFixture[str], error: type[Exception]
) -> None:
    trigger = make_trigger(Chain(_raises(error())))
    trigger.sign_in(_event())
    assert trigger.queue.users == []
    line = _line(capsys)
    assert (line["outcome"], line["reason"]) == ("Skipped", error.__name__)
