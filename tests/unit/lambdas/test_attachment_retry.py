"""The worker, with the chain and the queues standing in; the chain itself runs in the tests on the local cloud."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from attachment.deadline import DeadlineExceededError, WorkWithDeadline
from attachment.errors import AttachmentPausedError, MfaUserError, NewPasswordRequiredError
from attachment.owed import Owed
from tests.unit.lambdas.conftest import Load, refusal

_THROTTLED = refusal("ThrottlingException")
_DENIED = refusal("AccessDeniedException", 403)
_REFUSED = refusal("NotAuthorizedException", operation="AdminInitiateAuth")


@dataclass
class Context:
    """Lambda's, with a time that is left."""

    milliseconds: int = 120_000
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass
class World:
    """What the worker reaches: whom it attached, what it put off, what it gave up."""

    turned_off: bool = False
    proven: bool = True
    finding: BaseException | None = None
    attaching: BaseException | None = None
    still_there: bool = True
    queue_refuses: bool = False
    found: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    put_off: list[int] = field(default_factory=list)
    dead: list[dict[str, Any]] = field(default_factory=list)

    def check_is_on(self) -> None:
        if self.turned_off:
            raise AttachmentPausedError

    def is_proven(self, _owed: Owed) -> bool:
        return self.proven

    @property
    def chain(self) -> World:
        return self

    @property
    def queue(self) -> World:
        return self

    def find_identity(self, owed: Owed) -> None:
        if self.finding:
            raise self.finding
        owed.identity_id = "found"
        self.found.append(owed.user_name)

    def attach(self, owed: Owed) -> None:
        if self.attaching:
            raise self.attaching
        self.attached.append(str(owed.identity_id))

    def can_sign_in(self, _owed: Owed) -> bool:
        return self.still_there

    def change_message_visibility(self, **request: Any) -> None:
        self.put_off.append(request["VisibilityTimeout"])

    def send_message(self, **request: Any) -> dict[str, str]:
        if self.queue_refuses:
            raise _DENIED
        self.dead.append(request)
        return {"MessageId": "1"}


@dataclass
class Turns:
    """A pace that takes no time, and counts."""

    taken: int = 0
    slowed_down: int = 0

    def wait(self) -> None:
        self.taken += 1

    def throttled(self) -> None:
        self.slowed_down += 1


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def worker(load: Load, world: World) -> Any:
    module = load("attachment_retry")
    module._attaching = module._queueing = WorkWithDeadline(lambda _: world)
    module._pace = Turns()
    return module


def _record(message_id: str = "m1", received: int = 1, body: str | None = None) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt-{message_id}",
        "body": body or Owed("pool", "ada", "sub", "claimed", bytes(32)).to_message(),
        "attributes": {"ApproximateReceiveCount": str(received)},
    }


def _run(worker: Any, *records: dict[str, Any], context: Context | None = None) -> list[str]:
    answer = worker.handler({"Records": list(records)}, context or Context())
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def _outcomes(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str | None]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["Source"] for line in lines} <= {"retry"}
    assert "ada" not in json.dumps(lines)
    return [(line["outcome"], line["reason"]) for line in lines]


def test_a_proven_identity_is_attached_without_another_sign_in(
    worker: Any, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(worker, _record()) == []
    assert (world.found, world.attached) == ([], ["claimed"])
    assert _outcomes(capsys) == [("Attached", None)]


def test_a_claimed_identity_is_not_believed(worker: Any, world: World) -> None:
    world.proven = False
    assert _run(worker, _record()) == []
    assert (world.found, world.attached) == (["ada"], ["found"])


def test_with_attaching_turned_off_a_message_is_dropped(
    worker: Any, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.turned_off = True
    assert _run(worker, _record()) == []
    assert (world.found, world.attached, world.dead) == ([], [], [])
    assert _outcomes(capsys) == [("Skipped", "AttachmentPausedError")]


@pytest.mark.parametrize("error", [_THROTTLED, DeadlineExceededError(), NewPasswordRequiredError()], ids=repr)
def test_what_passes_comes_again_later(
    worker: Any, world: World, error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    world.attaching = error
    assert _run(worker, _record("m7")) == ["m7"]
    assert len(world.put_off) == 1
    assert world.dead == []
    assert [outcome for outcome, _ in _outcomes(capsys)] == ["Queued"]


def test_one_message_that_fails_does_not_hold_up_the_others(worker: Any, world: World) -> None:
    world.proven = False
    broken = [_record("m1"), _record("m2", body=Owed("pool", "bob").to_message()), _record("m3")]
    attach = world.attach

    def sometimes(owed: Owed) -> None:
        if owed.user_name == "bob":
            raise _THROTTLED
        attach(owed)

    world.attach = sometimes  # type: ignore[method-assign]
    assert _run(worker, *broken) == ["m2"]
    assert world.attached == ["found", "found"]


def test_it_waits_longer_each_time_and_never_all_at_once(worker: Any, world: World) -> None:
    world.attaching = _THROTTLED
    for received in (1, 5, 30):
        _run(worker, *[_record(received=received) for _ in range(40)])
    first, later, last = (world.put_off[start : start + 40] for start in (0, 40, 80))
    assert set(first) <= {1, 2}
    assert max(later) <= 32
    assert max(last) <= 900
    assert max(first) < max(later) < max(last)
    assert len(set(last)) > 20


def test_what_somebody_must_mend_is_set_aside_with_its_reason(
    worker: Any, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.attaching = _DENIED
    record = _record()
    assert _run(worker, record) == []
    (dead,) = world.dead
    assert dead["MessageBody"] == record["body"]
    assert dead["MessageAttributes"]["Reason"]["StringValue"] == "AttachPolicy: AccessDeniedException"
    assert _outcomes(capsys) == [("Failed", "AttachPolicy: AccessDeniedException")]


def test_what_cannot_be_set_aside_stays_in_the_queue(worker: Any, world: World) -> None:
    world.attaching, world.queue_refuses = _DENIED, True
    assert _run(worker, _record("m1")) == ["m1"]


def test_a_message_that_is_none_of_ours_is_set_aside(worker: Any, world: World) -> None:
    assert _run(worker, _record(body="{}")) == []
    assert world.dead[0]["MessageAttributes"]["Reason"]["StringValue"] == "UnreadableMessageError"
    assert world.attached == []


@pytest.mark.parametrize("code", ["NotAuthorizedException", "PasswordResetRequiredException", "UserNotFoundException"])
def test_a_user_who_cannot_sign_in_is_owed_nothing(
    worker: Any, world: World, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    world.proven, world.finding, world.still_there = False, refusal(code, operation="AdminInitiateAuth"), False
    assert _run(worker, _record()) == []
    assert (world.attached, world.dead) == ([], [])
    assert _outcomes(capsys) == [("Skipped", "CannotSignInError")]


def test_nor_is_one_whose_identity_was_known(worker: Any, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.still_there = False
    assert _run(worker, _record()) == []
    assert (world.attached, world.dead) == ([], [])
    assert _outcomes(capsys) == [("Skipped", "CannotSignInError")]


def test_a_refused_user_who_is_still_there_is_somebodys_to_mend(worker: Any, world: World) -> None:
    world.proven, world.finding = False, _REFUSED
    assert _run(worker, _record()) == []
    assert len(world.dead) == 1


def test_a_user_with_a_second_factor_is_left_to_self_attach(worker: Any, world: World) -> None:
    world.proven, world.finding = False, MfaUserError()
    assert _run(worker, _record()) == []
    assert (world.attached, world.dead) == ([], [])


def test_without_time_left_messages_are_left_for_the_next_invocation(worker: Any, world: World) -> None:
    assert _run(worker, _record("m1"), context=Context(milliseconds=5_000)) == ["m1"]
    assert world.attached == []


def test_throttled_it_slows_down_and_takes_the_next_turn(worker: Any, world: World) -> None:
    attach = world.attach
    refusals = [_THROTTLED, _THROTTLED]

    def sometimes(owed: Owed) -> None:
        if refusals:
            raise refusals.pop()
        attach(owed)

    world.attach = sometimes  # type: ignore[method-assign]
    worker._pace = pace = Turns()
    assert _run(worker, _record()) == []
    assert (pace.taken, pace.slowed_down, world.attached) == (3, 2, ["claimed"])


def test_throttled_at_every_turn_a_message_goes_back(worker: Any, world: World) -> None:
    world.attaching = _THROTTLED
    worker._pace = pace = Turns()
    assert _run(worker, _record("m1")) == ["m1"]
    assert pace.taken == 5


def test_any_other_failure_takes_no_further_turn(worker: Any, world: World) -> None:
    world.attaching = refusal("InternalFailureException", 500)
    worker._pace = pace = Turns()
    assert _run(worker, _record("m1")) == ["m1"]
    assert (pace.taken, pace.slowed_down) == (1, 0)


def test_a_message_that_hangs_is_given_up_in_time_and_the_next_is_worked_off(
    worker: Any, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(worker, "_SECONDS_EACH", 0.1)
    attach = world.attach

    def sometimes(owed: Owed) -> None:
        if owed.user_name == "bob":
            threading.Event().wait()
        attach(owed)

    world.attach = sometimes  # type: ignore[method-assign]
    hanging = _record("m1", body=Owed("pool", "bob", "sub", "claimed", bytes(32)).to_message())
    assert _run(worker, hanging, _record("m2")) == ["m1"]
    assert _outcomes(capsys) == [("Queued", "DeadlineExceededError"), ("Attached", None)]


def test_a_queue_that_hangs_leaves_the_message_where_it_is(
    worker: Any, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(worker, "_QUEUE_SECONDS", 0.1)
    hang: Any = lambda **_: threading.Event().wait()  # noqa: E731
    world.send_message = world.change_message_visibility = hang  # type: ignore[method-assign]
    for error in (_THROTTLED, _DENIED):
        world.attaching = error
        assert _run(worker, _record("m1")) == ["m1"]
    assert [outcome for outcome, _ in _outcomes(capsys)] == ["Queued", "Queued"]


def test_the_longest_message_fits_the_time_that_is_left_for_it(worker: Any) -> None:
    assert worker._SECONDS_EACH + worker._QUEUE_SECONDS < worker._SECONDS_EACH + worker._SPARE_SECONDS


def test_the_user_is_looked_at_anew_at_each_turn(worker: Any, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Between two turns time passes, in which the name can go to another user."""

    def throttle_and_delete(owed: Owed) -> None:  # noqa: ARG001
        world.still_there = False
        raise _THROTTLED

    world.attach = throttle_and_delete  # type: ignore[method-assign]
    assert _run(worker, _record()) == []
    assert _outcomes(capsys) == [("Skipped", "CannotSignInError")]
