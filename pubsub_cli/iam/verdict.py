"""What a request is decided to be, by AWS where it may be asked, and why, by the documents."""

from __future__ import annotations

from dataclasses import dataclass

from pubsub_cli.iam.decision import Decision, Outcome
from pubsub_cli.iam.request import Request
from pubsub_cli.iam.simulation import Answer


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

        A denial that AWS makes without a value it lacks decides nothing, an explicit one no more than the other: where
        a key is absent, StringNotEquals and the other negated operators match.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
        """
        answer, read = self.answer, self.decision.outcome
        if answer is None:
            return read
        if answer.outcome is Outcome.ALLOWED:
            return Outcome.ALLOWED
        if read is Outcome.UNDECIDED or (answer.by_organization and answer.missing):
            return Outcome.UNDECIDED
        if answer.outcome is Outcome.IMPLICIT_DENY and answer.missing:
            return read
        return answer.outcome

    @property
    def disagreement(self) -> str | None:
        """Both decisions in words, where AWS decides otherwise than the documents read."""
        answer, decision = self.answer, self.decision
        if answer is None or decision.outcome in {answer.outcome, Outcome.UNDECIDED}:
            return None
        by = f", by {decision.policy.name}" if decision.policy else ""
        lacking = f" for want of {', '.join(answer.missing)}" if answer.missing else ""
        return (
            f"{answer.source} answers {answer.outcome}{lacking}, although the documents read as {decision.outcome}{by}"
        )
