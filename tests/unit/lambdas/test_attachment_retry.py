"""The worker with a chain and queues in memory. It runs with a network that hangs in tests/e2e/lambda_runtime."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from attachment.deadline import DeadlineExceededError, DeadlineRunner
from attachment.errors import MfaUserError, NewPasswordRequiredError
from attachment.pending import PendingAttachment
from tests.unit.lambdas.conftest import Load, client_error, log_lines
from tests.unit.lambdas.fake_chain import IDENTITY_ID, MAC, FakeChain, raises

_THROTTLED = client_error("ThrottlingException")
_DENIED = client_error("AccessDeniedException", 403)


class Worker:
    """The worker with its chain."""

    def __init__(self, module: Any, capsys: pytest.CaptureFixture[str]) -> None:
        self.module, self._capsys = module, capsys
        self.chain = FakeChain()
        module._chain_runner = module._queue_runner = DeadlineRunner(lambda _: self.chain)
        module._rate_limiter = self.chain

    def run(self, *records: dict[str, Any], seconds: float = 120) -> list[str]:
        """Return the ids of the messages that SQS must deliver again."""
        remaining = {"get_remaining_time_in_millis": lambda: seconds * 1000, "aws_request_id": "request"}
        response = self.module.handler({"Records": [*(records or [_record()])]}, SimpleNamespace(**remaining))
        return [each["itemIdentifier"] for each in response["batchItemFailures"]]

    def outcomes(self) -> list[tuple[str, str | None]]:
        """Return outcome and reason of each message, as logged."""
        lines = log_lines(self._capsys)
        assert {line["Source"] for line in lines} <= {"retry"}
        assert "about ada" not in str(lines)
        return [(line["outcome"], line["reason"]) for line in lines]


@pytest.fixture
def worker(load: Load, capsys: pytest.CaptureFixture[str]) -> Worker:
    return Worker(load("attachment_retry"), capsys)


def _record(
    message_id: str = "m1", received: int = 1, body: str | None = None, user_name: str = "ada"
) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt-{message_id}",
        "body": body or PendingAttachment("pool", user_name, "sub", "claimed", MAC).to_message(),
        "attributes": {"ApproximateReceiveCount": str(received)},
    }


@pytest.mark.parametrize(
    ("verified", "found", "attached"), [(True, [], "claimed"), (False, ["ada"], IDENTITY_ID)], ids=["MAC", "no MAC"]
)
def test_identity_is_found_again_unless_its_mac_is_valid(
    worker: Worker, verified: bool, found: list[str], attached: str
) -> None:
    worker.chain.verified = verified
    assert worker.run() == []
    assert (worker.chain.found, worker.chain.attached) == (found, [attached])
    assert worker.outcomes() == [("Attached", None)]


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        ({"paused": True}, "AttachmentPausedError"),
        ({"user_can_sign_in": False}, "CannotSignInError"),
        ({"verified": False, "on_find": raises(MfaUserError())}, "MfaUserError"),
        *(
            ({"verified": False, "user_can_sign_in": False, "on_find": raises(client_error(code))}, "CannotSignInError")
            for code in ("NotAuthorizedException", "PasswordResetRequiredException", "UserNotFoundException")
        ),
    ],
)
def test_message_is_dropped_if_nothing_may_be_attached(worker: Worker, chain: dict[str, Any], reason: str) -> None:
    vars(worker.chain).update(chain)
    assert worker.run() == []
    assert (worker.chain.attached, worker.chain.dead_letters) == ([], [])
    assert worker.outcomes() == [("Skipped", reason)]


@pytest.mark.parametrize("error", [_THROTTLED, DeadlineExceededError(), NewPasswordRequiredError()], ids=repr)
def test_retryable_error_defers_only_its_message(worker: Worker, error: BaseException) -> None:
    worker.chain.on_attach = lambda pending: raises(error)() if pending.user_name == "bob" else None
    assert worker.run(_record("m1"), _record("m2", user_name="bob"), _record("m3")) == ["m2"]
    assert (len(worker.chain.attached), len(worker.chain.delays), worker.chain.dead_letters) == (2, 1, [])
    assert [outcome for outcome, _ in worker.outcomes()] == ["Attached", "Queued", "Attached"]


def test_delay_grows_with_each_delivery_and_is_jittered(worker: Worker) -> None:
    worker.chain.on_attach = raises(DeadlineExceededError())
    for received in (1, 5, 30):
        worker.run(*[_record(received=received) for _ in range(40)])
    first, later, last = (worker.chain.delays[start : start + 40] for start in (0, 40, 80))
    assert set(first) <= {1, 2}
    assert max(first) < max(later) <= 32 < max(last) <= 900
    assert len(set(last)) > 20


def test_lasting_error_moves_the_message_to_the_dead_letter_queue(worker: Worker) -> None:
    worker.chain.on_attach = raises(_DENIED)
    record = _record()
    assert worker.run(record, _record(body="{}")) == []
    reasons = [each["MessageAttributes"]["Reason"]["StringValue"] for each in worker.chain.dead_letters]
    assert reasons == ["AttachPolicy: AccessDeniedException", "UnreadableMessageError"]
    assert worker.chain.dead_letters[0]["MessageBody"] == record["body"]
    assert worker.outcomes() == [("Failed", reason) for reason in reasons]


def test_rejected_user_who_can_sign_in_goes_to_the_dead_letter_queue(worker: Worker) -> None:
    worker.chain.verified = False
    worker.chain.on_find = raises(client_error("NotAuthorizedException", operation="AdminInitiateAuth"))
    assert worker.run() == []
    assert len(worker.chain.dead_letters) == 1


@pytest.mark.parametrize("error", [DeadlineExceededError(), _DENIED], ids=repr)
def test_message_stays_queued_if_it_cannot_be_moved(worker: Worker, error: BaseException) -> None:
    worker.chain.on_attach, worker.chain.on_send = raises(error), raises(_DENIED)
    assert worker.run() == ["m1"]


def test_messages_are_left_for_the_next_invocation_without_time(worker: Worker) -> None:
    assert worker.run(seconds=5) == ["m1"]
    assert worker.chain.attached == []
    assert worker.module._QUEUE_SECONDS < worker.module._SPARE_SECONDS  # the longest message fits into that time


@pytest.mark.parametrize(
    ("errors", "waits", "slow_downs"),
    [
        ([_THROTTLED, _THROTTLED, None], 3, 2),
        ([_THROTTLED] * 9, 5, 5),
        ([client_error("InternalFailureException", 500)] * 9, 1, 0),
    ],
    ids=["throttled twice", "throttled", "internal failure"],
)
def test_only_throttled_attachments_are_repeated_in_place(
    worker: Worker, errors: list[Exception | None], waits: int, slow_downs: int
) -> None:
    rest = iter(errors)
    worker.chain.on_attach = lambda _: raises(error)() if (error := next(rest)) else None
    assert worker.run() == (["m1"] if errors[-1] else [])
    assert (worker.chain.waits, worker.chain.slow_downs) == (waits, slow_downs)


def test_user_is_checked_again_before_each_attempt(worker: Worker) -> None:
    def throttle_and_delete(_: PendingAttachment) -> None:
        worker.chain.user_can_sign_in = False  # another user has the name now
        raise _THROTTLED

    worker.chain.on_attach = throttle_and_delete
    assert worker.run() == []
    assert worker.outcomes() == [("Skipped", "CannotSignInError")]
