"""What a run says of an assumption: no more than its checks show."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from pubsub_client.checks.check import Status
from pubsub_client.first_live.assumption import Assumption, assumptions
from pubsub_client.first_live.verdict import Answer, State, judge
from tests.unit.pubsub_client.first_live.answers import (
    ATTACHED_LATE,
    BOUNDED,
    DENIED,
    HEALTHY,
    failed,
    numbered,
    passed,
    skipped,
    warned,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEXTS = [
    "",
    "AttachPolicy answered AccessDenied: access denied",
    ATTACHED_LATE.format("DeadlineExceededError"),
    BOUNDED,
    DENIED,
    "0x86 BAD_USERNAME_OR_PASSWORD",
    "PS203: the request was signed by a guest: sign in",
    "within a few seconds, by AWS's answer, for the endpoint's has no date",
]
_CONFIRMED = {1, 2, 6, 7, 8, 11, 12, 34, 37, 38, 70, 77}


def _state(number: int, **changes: Answer) -> State:
    return judge(numbered(number), {**HEALTHY, **changes}, on_aws=True).state


def _runs(assumption: Assumption) -> Iterator[dict[str, Answer]]:
    """Yield all that the assumption's checks may say: each way to end, with each text, and not run at all."""
    for check in assumption.checks:
        assert check in HEALTHY
    said = {
        check: [None, *(Answer(*each) for each in product(Status, [*_TEXTS, HEALTHY[check].text]))]
        for check in assumption.checks
    }
    for answers in product(*said.values()):
        yield {check: answer for check, answer in zip(said, answers, strict=True) if answer}


@pytest.mark.parametrize("assumption", assumptions(), ids=lambda each: str(each.number))
def test_whatever_the_checks_say_the_verdict_rests_on_it(assumption: Assumption) -> None:
    for answers in _runs(assumption):
        verdict = judge(assumption, answers, on_aws=True)
        assert verdict.reason
        assert verdict.checks == {check: answers[check].status for check in verdict.checks}
        if verdict.state is State.CONFIRMED:
            assert verdict.checks == dict.fromkeys(assumption.confirmed_by, Status.PASSED)
        elif verdict.state is State.REFUTED:
            assert verdict.checks.keys() == assumption.refuted_by.keys()
            assert {*verdict.checks.values()} <= {Status.PASSED, Status.FAILED, Status.WARNING}
        else:
            assert verdict.state is State.NOT_TESTED


@pytest.mark.parametrize("assumption", assumptions(), ids=lambda each: str(each.number))
def test_the_embedded_cloud_neither_confirms_nor_refutes(assumption: Assumption) -> None:
    for answers in _runs(assumption):
        on_aws = judge(assumption, answers, on_aws=True).state
        rehearsed = judge(assumption, answers, on_aws=False)
        assert rehearsed.state is (State.REHEARSED if on_aws is State.CONFIRMED else State.NOT_TESTED)
        assert rehearsed.reason.startswith("on the embedded cloud: ") is (on_aws is not State.NOT_TESTED)


def test_on_an_aws_that_is_as_assumed_a_healthy_stack_confirms_what_the_smoke_test_can_tell() -> None:
    states = {each.number: judge(each, HEALTHY, on_aws=True).state for each in assumptions()}
    assert {number for number, state in states.items() if state is State.CONFIRMED} == _CONFIRMED
    assert State.REFUTED not in states.values()


@pytest.mark.parametrize("number", [88, 89, 90])
def test_in_least_privilege_mode_more_is_confirmed(number: int) -> None:
    assert _state(number, PS413=passed("another identity's client id and topic")) is State.CONFIRMED


@pytest.mark.parametrize("number", sorted(_CONFIRMED))
@pytest.mark.parametrize("status", [Status.FAILED, Status.SKIPPED, Status.UNKNOWN, None])
def test_nothing_is_confirmed_unless_every_check_passed(number: int, status: Status | None) -> None:
    for check in numbered(number).confirmed_by:
        answers = {name: answer for name, answer in HEALTHY.items() if name != check}
        if status:
            answers[check] = Answer(status, "what it depends on is not there")
        verdict = judge(numbered(number), answers, on_aws=True)
        assert verdict.state is State.NOT_TESTED
        assert check in verdict.reason


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (4, {"PS203": warned(ATTACHED_LATE.format("DeadlineExceededError"))}),
        (7, {"PS412": passed("0x86 BAD_USERNAME_OR_PASSWORD")}),
        (8, {"PS312": passed("access denied")}),
        (8, {"PS312": passed("no identity-based policy allows the iot:AttachPolicy action")}),
        (26, {"PS301": passed("deny AmplifyPubSub-Guard"), "PS312": passed("access denied")}),
        (37, {"PS204": failed("Self-attach does not attach the policy: PS203: the request was signed by a guest: x")}),
        (70, {"PS405": passed("within a few seconds, by AWS's answer, for the endpoint's has no date")}),
    ],
)
def test_what_a_check_says_only_of_a_wrong_assumption_refutes_it(number: int, changes: dict[str, Answer]) -> None:
    assert _state(number, **changes) is State.REFUTED


@pytest.mark.parametrize(
    ("number", "changes", "reason"),
    [
        (6, {"PS401": failed("HTTP 503: try again")}, "open: PS401 failed: HTTP 503: try again"),
        (1, {"PS203": failed("TimeoutError: no network")}, "open: PS203 failed: TimeoutError: no network"),
        (38, {"PS204": failed("answers HTTP 403 Forbidden")}, "open: PS204 failed: answers HTTP 403 Forbidden"),
        (5, {}, "PS203 passed: myIoTPolicy"),
        (9, {}, "no check of the smoke test tells"),
        (20, {}, "PS303 passed: no user gets a group's role"),
        (1, {"PS112": skipped("attachment is self-attach")}, "PS112 skipped: attachment is self-attach"),
        (88, {}, "PS413 passed: the setting topics opens all of them to everybody"),
        (77, {"PS306": passed("8 requests, by the documents")}, "PS306 passed: 8 requests, by the documents"),
    ],
)
def test_what_may_have_another_cause_leaves_it_open_with_the_reason(
    number: int, changes: dict[str, Answer], reason: str
) -> None:
    verdict = judge(numbered(number), {**HEALTHY, **changes}, on_aws=True)
    assert (verdict.state, verdict.reason) == (State.NOT_TESTED, reason)


def test_a_guard_that_denies_is_judged_by_its_own_words() -> None:
    guard = {"PS301": passed("deny AmplifyPubSub-Guard"), "PS312": passed(DENIED)}
    assert (_state(8, **guard), _state(26, **guard)) == (State.NOT_TESTED, State.CONFIRMED)


def test_groups_confirm_the_role_mapping_and_not_whose_role_a_user_got() -> None:
    groups = {"PS303": passed("admins"), "PS403": passed("admins")}
    assert (_state(20, **groups), _state(19, **groups)) == (State.CONFIRMED, State.NOT_TESTED)
