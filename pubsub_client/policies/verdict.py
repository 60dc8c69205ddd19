"""What a request is decided to be, by AWS where it may be asked, and why, by the documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pubsub_client.policies.decision import Outcome

if TYPE_CHECKING:
    from pubsub_client.policies.decision import Decision
    from pubsub_client.policies.request import Request
    from pubsub_client.policies.simulation import Answer


@dataclass(frozen=True)
class Verdict:
    """A decision on a request.

    Args:
        request: the request.
        decision: what the documents say.
        answer: what AWS says; None where it may not be asked.
    """

    request: Request
    decision: Decision
    answer: Answer | None

    @property
    def outcome(self) -> Outcome:
        """AWS's decision if there is one, else that of the documents.

        A denial that AWS made without a value it needed is none.
        """
        if self.answer is None:
            return self.decision.outcome
        if self.answer.outcome is Outcome.IMPLICIT_DENY and self.decision.outcome is Outcome.UNDECIDED:
            return Outcome.UNDECIDED
        return self.answer.outcome

    @property
    def disagreement(self) -> str | None:
        """Both decisions in words, where AWS decides otherwise than the documents read."""
        answer, decision = self.answer, self.decision
        if answer is None or decision.outcome in {answer.outcome, Outcome.UNDECIDED}:
            return None
        by = f", by {decision.policy.name}" if decision.policy else ""
        return f"{answer.source} answers {answer.outcome}, although the documents read as {decision.outcome}{by}"
