from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from attachment.errors import AttachingIsOffError
from tests.unit.lambdas.conftest import ENVIRONMENT

if TYPE_CHECKING:
    from attachment.owed import Owed
    from tests.unit.lambdas.conftest import Load

_USER_NAME = "ada-7f3a"
_IDENTITY_ID = "eu-west-1:11111111-2222-3333-4444-555555555555"


def _event(marker: str | None = None, client_id: str = "web", metadata: dict[str, str] | None = None) -> dict[str, Any]:
    attributes = {"sub": "5c0ffee0-sub", "email": "ada@example.com", "cognito:user_status": "CONFIRMED"}
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


class Queue:
    """Stands for the retry queue: keeps what is put into it."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.users: list[str] = []
        self._failure = failure

    def __call__(self, owed: Owed) -> None:
        if self._failure:
            raise self._failure
        self.users.append(owed.user_name)


def _attaches(_event: object, _owed: object) -> None:
    return None


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


def test_the_nested_sign_in_is_let_through_without_a_word(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    trigger = load("post_authentication")
    trigger._attach = trigger._queue = pytest.fail
    event = _event(metadata={"amplify-pubsub": "nested", "more": "of it"})
    assert trigger.handler(event, None) == event
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
    load: Load, capsys: pytest.CaptureFixture[str], marker: str | None
) -> None:
    trigger = load("post_authentication")
    attached: list[str] = []

    def attach(event: dict[str, Any], _owed: object) -> None:
        attached.append(event["userName"])

    trigger._attach = attach
    event = _event(marker)
    assert trigger.handler(copy.deepcopy(event), None) == event
    assert attached == [_USER_NAME]
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
    load: Load, capsys: pytest.CaptureFixture[str], failure: Exception, reason: str
) -> None:
    trigger = load("post_authentication")

    def fail(_event: object, _owed: object) -> None:
        raise failure

    trigger._attach, trigger._queue = fail, Queue()
    event = _event()
    assert trigger.handler(copy.deepcopy(event), None) == event
    assert trigger._queue.users == [_USER_NAME]
    line = _line(capsys)
    assert (line["outcome"], line["reason"], line["Way"]) == ("Queued", reason, "sign-in")
    assert (line["Attached"], line["Queued"], line["Skipped"], line["Failed"]) == (0, 1, 0, 0)


def test_what_cannot_be_queued_either_is_counted_as_failed_and_the_sign_in_goes_on(
    load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = load("post_authentication")

    def fail(_event: object, _owed: object) -> None:
        raise RuntimeError

    trigger._attach = fail
    trigger._queue = Queue(ClientError({"Error": {"Code": "AccessDenied", "Message": _USER_NAME}}, "SendMessage"))
    event = _event()
    assert trigger.handler(copy.deepcopy(event), None) == event
    line = _line(capsys)
    assert (line["outcome"], line["Failed"]) == ("Failed", 1)
    assert line["reason"] == "RuntimeError; not queued: SendMessage: AccessDenied"


def test_a_queue_that_hangs_is_given_up_within_its_own_time(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = load("post_authentication")
    monkeypatch.setattr(trigger, "_BUDGET_SECONDS", 0.1)
    monkeypatch.setattr(trigger, "_QUEUE_SECONDS", 0.1)
    trigger._attach = lambda _event, _owed: time.sleep(60)
    trigger._queue = lambda _owed: time.sleep(60)
    event = _event()
    assert trigger.handler(event, None) == event
    assert _line(capsys)["reason"] == "DeadlineExceededError; not queued: DeadlineExceededError"


def test_a_hanging_attachment_is_given_up_and_the_sign_in_goes_on(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = load("post_authentication")
    monkeypatch.setattr(trigger, "_BUDGET_SECONDS", 0.1)
    trigger._attach, trigger._queue = lambda _event, _owed: time.sleep(60), Queue()
    event = _event()
    assert trigger.handler(event, None) == event
    assert _line(capsys)["reason"] == "DeadlineExceededError"
    assert trigger._queue.users == [_USER_NAME]


def test_a_cold_start_counts_against_the_budget(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = load("post_authentication")
    monkeypatch.setattr(trigger, "_cold_start", time.monotonic() - 3)
    trigger._attach, trigger._queue = _attaches, Queue()
    trigger.handler(_event(), None)
    line = _line(capsys)
    assert (line["outcome"], line["reason"]) == ("Queued", "DeadlineExceededError")
    assert line["Duration"] >= 3000
    trigger.handler(_event(), None)
    assert _line(capsys)["outcome"] == "Attached"


def test_an_environment_started_ahead_of_need_has_its_whole_budget(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = load("post_authentication")
    monkeypatch.setattr(trigger, "_cold_start", time.monotonic() - 600)
    trigger._attach = _attaches
    trigger.handler(_event(), None)
    line = _line(capsys)
    assert line["outcome"] == "Attached"
    assert line["Duration"] < 1000


def test_a_user_attached_but_not_marked_counts_as_attached(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    trigger = load("post_authentication")
    trigger._attach = lambda _event, _owed: "not marked: AdminUpdateUserAttributes: TooManyRequestsException"
    trigger.handler(_event(), None)
    line = _line(capsys)
    assert (line["outcome"], line["Attached"], line["Failed"]) == ("Attached", 1, 0)
    assert line["reason"] == "not marked: AdminUpdateUserAttributes: TooManyRequestsException"


def test_an_event_of_an_unknown_shape_is_returned_too(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    trigger = load("post_authentication")
    assert trigger.handler({"request": {}}, None) == {"request": {}}
    assert _line(capsys)["outcome"] == "Failed"


def test_a_federated_user_is_not_signed_in_by_a_challenge(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    trigger = load("post_authentication")
    trigger._queue = pytest.fail
    event = _event()
    event["request"]["userAttributes"]["cognito:user_status"] = "EXTERNAL_PROVIDER"
    assert trigger.handler(event, None) == event
    line = _line(capsys)
    assert (line["outcome"], line["reason"]) == ("Skipped", "FederatedUserError")


def test_the_log_tells_nothing_about_the_user(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    trigger = load("post_authentication")
    trigger._attach = _attaches
    for event in (_event(), _event(_current_marker())):
        trigger.handler(event, None)
    written = capsys.readouterr().out
    for secret in (_USER_NAME, _IDENTITY_ID, "5c0ffee0-sub", "ada@example.com"):
        assert secret not in written


def test_a_sign_in_on_the_internal_client_never_starts_another(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    trigger = load("post_authentication")
    attach = load("attachment.attach")

    class Parameter:
        def read(self, _ssm: object) -> object:
            return attach_configuration

    class TurnedOn:
        def check(self, _ssm: object) -> None:
            return

    from attachment.configuration import Configuration

    attach_configuration = Configuration("cognito-idp.eu-west-1.amazonaws.com/pool", "internal", "eu-west-1:pool")
    attach._configuration = Parameter()
    attach._switch = TurnedOn()
    trigger._queue = pytest.fail  # the worker's nested sign-in would only put it there again
    trigger.handler(_event(client_id="internal"), None)
    assert _line(capsys)["reason"] == "NestedSignInLoopError"


def test_with_attaching_turned_off_nothing_is_attached_and_nothing_owed(
    load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = load("post_authentication")

    def turned_off(_event: object, _owed: object) -> None:
        raise AttachingIsOffError

    trigger._attach, trigger._queue = turned_off, pytest.fail
    assert trigger.handler(_event(), None) == _event()
    line = _line(capsys)
    assert (line["outcome"], line["reason"]) == ("Skipped", "AttachingIsOffError")
