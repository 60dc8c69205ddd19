"""The worker with a stand-in for chain and queues; the chain itself runs in the e2e tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from attachment.deadline import DeadlineExceededError, DeadlineRunner
from attachment.errors import AttachmentPausedError, MfaUserError, NewPasswordRequiredError
from attachment.pending import PendingAttachment
from tests.unit.lambdas.conftest import Load, client_error, log_lines

_THROTTLED = client_error("ThrottlingException")
_DENIED = client_error("AccessDeniedException", 403)
_REJECTED = client_error("NotAuthorizedException", operation="AdminInitiateAuth")


@dataclass
class Context:
    """Lambda's context with some time left."""

    milliseconds: int = 120_000
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass
class Aws:
    """Stands in for the chain, both queues and the rate limiter, and records what the worker does."""

    paused: bool = False
    verified: bool = True
    find_error: BaseException | None = None
    attach_errors: list[BaseException] = field(default_factory=list)
    """Raised one after another; the last one is raised again and again."""
    before_attach: Callable[[PendingAttachment], None] = lambda _: None
    user_can_sign_in: bool = True
    dead_letter_error: BaseException | None = None
    found: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    dead_letters: list[dict[str, Any]] = field(default_factory=list)
    waits: int = 0
    slow_downs: int = 0

    @property
    def chain(self) -> Aws:
        return self

    @property
    def queue(self) -> Aws:
        return self

    def check_not_paused(self) -> None:
        if self.paused:
            raise AttachmentPausedError

    def is_verified(self, _pending: PendingAttachment) -> bool:
        return self.verified

    def find_identity(self, pending: PendingAttachment) -> None:
        if self.find_error:
            raise self.find_error
        pending.identity_id = "found"
        self.found.append(pending.user_name)

    def attach(self, pending: PendingAttachment) -> None:
        self.before_attach(pending)
        if self.attach_errors:
            raise self.attach_errors.pop(0) if len(self.attach_errors) > 1 else self.attach_errors[0]
        self.attached.append(str(pending.identity_id))

    def can_sign_in(self, _pending: PendingAttachment) -> bool:
        return self.user_can_sign_in

    def change_message_visibility(self, **request: Any) -> None:
        self.delays.append(request["VisibilityTimeout"])

    def send_message(self, **request: Any) -> dict[str, str]:
        if self.dead_letter_error:
            raise self.dead_letter_error
        self.dead_letters.append(request)
        return {"MessageId": "1"}

    def wait(self) -> None:
        self.waits += 1

    def slow_down(self) -> None:
        self.slow_downs += 1


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def worker(load: Load, aws: Aws) -> Any:
    module = load("attachment_retry")
    module._chain_runner = module._queue_runner = DeadlineRunner(lambda _: aws)
    module._rate_limiter = aws
    return module


def _record(
    message_id: str = "m1", received: int = 1, body: str | None = None, user_name: str = "ada"
) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt-{message_id}",
        "body": body or PendingAttachment("pool", user_name, "sub", "claimed", bytes(32)).to_message(),
        "attributes": {"ApproximateReceiveCount": str(received)},
    }


def _run(worker: Any, *records: dict[str, Any], context: Context | None = None) -> list[str]:
    """Return the ids of the messages that SQS is to deliver again."""
    response = worker.handler({"Records": list(records)}, context or Context())
    return [each["itemIdentifier"] for each in response["batchItemFailures"]]


def _outcomes(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str | None]]:
    lines = log_lines(capsys)
    assert {line["Source"] for line in lines} <= {"retry"}
    assert "about ada" not in str(lines)
    return [(line["outcome"], line["reason"]) for line in lines]


def test_verified_identity_is_attached_without_a_sign_in(
    worker: Any, aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(worker, _record()) == []
    assert (aws.found, aws.attached) == ([], ["claimed"])
    assert _outcomes(capsys) == [("Attached", None)]


def test_unverified_identity_is_found_again(worker: Any, aws: Aws) -> None:
    aws.verified = False
    assert _run(worker, _record()) == []
    assert (aws.found, aws.attached) == (["ada"], ["found"])


def test_paused_attachment_drops_the_message(worker: Any, aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.paused = True
    assert _run(worker, _record()) == []
    assert (aws.attached, aws.dead_letters) == ([], [])
    assert _outcomes(capsys) == [("Skipped", "AttachmentPausedError")]


@pytest.mark.parametrize("error", [_THROTTLED, DeadlineExceededError(), NewPasswordRequiredError()], ids=repr)
def test_retryable_error_defers_only_its_message(
    worker: Any, aws: Aws, error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail_for_bob(pending: PendingAttachment) -> None:
        if pending.user_name == "bob":
            raise error

    aws.before_attach = fail_for_bob
    assert _run(worker, _record("m1"), _record("m2", user_name="bob"), _record("m3")) == ["m2"]
    assert (aws.attached, len(aws.delays), aws.dead_letters) == (["claimed"] * 2, 1, [])
    assert [outcome for outcome, _ in _outcomes(capsys)] == ["Attached", "Queued", "Attached"]


def test_delay_grows_with_each_delivery_and_is_jittered(worker: Any, aws: Aws) -> None:
    aws.attach_errors = [DeadlineExceededError()]
    for received in (1, 5, 30):
        _run(worker, *[_record(received=received) for _ in range(40)])
    first, later, last = (aws.delays[start : start + 40] for start in (0, 40, 80))
    assert set(first) <= {1, 2}
    assert max(first) < max(later) <= 32 < max(last) <= 900
    assert len(set(last)) > 20


def test_lasting_error_moves_the_message_to_the_dead_letter_queue(
    worker: Any, aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.attach_errors = [_DENIED]
    record = _record()
    assert _run(worker, record, _record(body="{}")) == []
    reasons = [each["MessageAttributes"]["Reason"]["StringValue"] for each in aws.dead_letters]
    assert reasons == ["AttachPolicy: AccessDeniedException", "UnreadableMessageError"]
    assert aws.dead_letters[0]["MessageBody"] == record["body"]
    assert _outcomes(capsys) == [("Failed", reason) for reason in reasons]


def test_message_stays_queued_if_it_cannot_be_dead_lettered(worker: Any, aws: Aws) -> None:
    aws.attach_errors, aws.dead_letter_error = [_DENIED], _DENIED
    assert _run(worker, _record("m1")) == ["m1"]


@pytest.mark.parametrize("code", ["NotAuthorizedException", "PasswordResetRequiredException", "UserNotFoundException"])
def test_user_who_cannot_sign_in_is_skipped(
    worker: Any, aws: Aws, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    aws.verified, aws.user_can_sign_in = False, False
    aws.find_error = client_error(code, operation="AdminInitiateAuth")
    assert _run(worker, _record()) == []
    assert (aws.attached, aws.dead_letters) == ([], [])
    assert _outcomes(capsys) == [("Skipped", "CannotSignInError")]


def test_user_who_cannot_sign_in_is_skipped_with_a_verified_identity(worker: Any, aws: Aws) -> None:
    aws.user_can_sign_in = False
    assert _run(worker, _record()) == []
    assert (aws.attached, aws.dead_letters) == ([], [])


def test_rejected_user_who_can_sign_in_goes_to_the_dead_letter_queue(worker: Any, aws: Aws) -> None:
    aws.verified, aws.find_error = False, _REJECTED
    assert _run(worker, _record()) == []
    assert len(aws.dead_letters) == 1


def test_mfa_user_is_skipped(worker: Any, aws: Aws) -> None:
    aws.verified, aws.find_error = False, MfaUserError()
    assert _run(worker, _record()) == []
    assert (aws.attached, aws.dead_letters) == ([], [])


def test_messages_are_left_for_the_next_invocation_without_time(worker: Any, aws: Aws) -> None:
    assert _run(worker, _record("m1"), context=Context(milliseconds=5_000)) == ["m1"]
    assert aws.attached == []
    assert worker._QUEUE_SECONDS < worker._SPARE_SECONDS  # the longest message fits into the time that is left for it


def test_throttled_attachment_slows_down_and_is_repeated(worker: Any, aws: Aws) -> None:
    throttled = [_THROTTLED, _THROTTLED]

    def throttle_twice(_: PendingAttachment) -> None:
        if throttled:
            raise throttled.pop()

    aws.before_attach = throttle_twice
    assert _run(worker, _record()) == []
    assert (aws.waits, aws.slow_downs, aws.attached) == (3, 2, ["claimed"])


@pytest.mark.parametrize(("error", "attempts"), [(_THROTTLED, 5), (client_error("InternalFailureException", 500), 1)])
def test_only_throttled_attachments_are_repeated_in_place(
    worker: Any, aws: Aws, error: BaseException, attempts: int
) -> None:
    aws.attach_errors = [error]
    assert _run(worker, _record("m1")) == ["m1"]
    assert aws.waits == attempts


def test_user_is_checked_again_before_each_attempt(worker: Any, aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    def throttle_and_delete(_: PendingAttachment) -> None:
        aws.user_can_sign_in = False  # another user has the name by now
        raise _THROTTLED

    aws.before_attach = throttle_and_delete
    assert _run(worker, _record()) == []
    assert _outcomes(capsys) == [("Skipped", "CannotSignInError")]


def test_hanging_message_is_abandoned_and_the_next_is_processed(
    worker: Any, aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(worker, "_MESSAGE_SECONDS", 0.1)

    def hang_for_bob(pending: PendingAttachment) -> None:
        if pending.user_name == "bob":
            threading.Event().wait()

    aws.before_attach = hang_for_bob
    assert _run(worker, _record("m1", user_name="bob"), _record("m2")) == ["m1"]
    assert _outcomes(capsys) == [("Queued", "DeadlineExceededError"), ("Attached", None)]


def test_hanging_queue_leaves_the_message_where_it_is(worker: Any, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_QUEUE_SECONDS", 0.1)
    hang: Any = lambda **_: threading.Event().wait()  # noqa: E731
    aws.send_message = aws.change_message_visibility = hang  # type: ignore[method-assign]
    for error in (DeadlineExceededError(), _DENIED):
        aws.attach_errors = [error]
        assert _run(worker, _record("m1")) == ["m1"]
