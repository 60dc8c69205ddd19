"""What a run of checks says of an assumption: confirmed or refuted only where nothing else would explain it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from pubsub_client.checks.check import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pubsub_client.first_live.assumption import Assumption


class State(StrEnum):
    """What is known of an assumption."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    REHEARSED = "rehearsed"
    """The embedded cloud behaves as assumed, which says nothing of AWS."""
    NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Answer:
    """What a check said.

    Args:
        status: how it ended.
        text: its detail if it passed, else the cause.
    """

    status: Status
    text: str

    def __str__(self) -> str:
        """Say it."""
        return f"{self.status}: {self.text}" if self.text else str(self.status)


@dataclass(frozen=True)
class Verdict:
    """What a run says of an assumption.

    Args:
        state: what is known by it.
        checks: the statuses of the checks that it rests on, by id.
        reason: what they said.
    """

    state: State
    checks: Mapping[str, str]
    reason: str


def judge(assumption: Assumption, answers: Mapping[str, Answer], *, on_aws: bool) -> Verdict:
    """Return what a run says of an assumption.

    Args:
        assumption: the assumption.
        answers: what the run's checks said, by id.
        on_aws: whether it was AWS that answered; the embedded cloud neither confirms nor refutes anything about it.
    """
    verdict = _judge(assumption, answers)
    if on_aws or verdict.state is State.NOT_TESTED:
        return verdict
    state = State.REHEARSED if verdict.state is State.CONFIRMED else State.NOT_TESTED
    return replace(verdict, state=state, reason=f"on the embedded cloud: {verdict.reason}")


def _judge(assumption: Assumption, answers: Mapping[str, Answer]) -> Verdict:
    refuting, confirming = assumption.refuted_by, assumption.confirmed_by
    if refuting and all(_says(answers.get(check), pattern) for check, pattern in refuting.items()):
        return _verdict(State.REFUTED, tuple(refuting), answers)
    open_ = [check for check, pattern in confirming.items() if not _confirms(answers.get(check), pattern)]
    if confirming and not open_:
        return _verdict(State.CONFIRMED, tuple(confirming), answers)
    return _verdict(State.NOT_TESTED, tuple(open_ or assumption.checks), answers)


def _says(answer: Answer | None, pattern: str) -> bool:
    told = {Status.PASSED, Status.FAILED, Status.WARNING}
    return answer is not None and answer.status in told and re.search(pattern, answer.text) is not None


def _confirms(answer: Answer | None, pattern: str) -> bool:
    return answer is not None and answer.status is Status.PASSED and re.search(pattern, answer.text) is not None


def _verdict(state: State, checks: tuple[str, ...], answers: Mapping[str, Answer]) -> Verdict:
    """Return a verdict with what the checks said; what did not pass, and may have any cause, leaves it open."""
    said = [f"{check} {answers[check]}" if check in answers else f"{check} was not run" for check in checks]
    statuses = {check: answers[check].status.value for check in checks if check in answers}
    is_open = state is State.NOT_TESTED and {Status.FAILED.value, Status.WARNING.value} & {*statuses.values()}
    reason = "; ".join(said) or "no check of the smoke test tells"
    return Verdict(state, statuses, f"open: {reason}" if is_open else reason)
