"""Evaluates requests: an explicit deny wins, then an allow, otherwise the request is denied.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pubsub_cli.iam.documents import Policy, Statement
from pubsub_cli.iam.request import Request, RequestContext


class Outcome(StrEnum):
    """The outcome of a request."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"
    UNDECIDED = "undecided"
    """It depends on a condition or a variable whose value is not known."""


@dataclass(frozen=True)
class Decision:
    """The decision that policy documents make on a request.

    Args:
        outcome: the outcome.
        policy: the policy of the statement that decides; the boundary if it has no statement that allows.
        statement: the statement that decides; None if no statement allows the request.
        unknown: the condition keys and variables that an undecided request depends on.
    """

    outcome: Outcome
    policy: Policy | None = None
    statement: Statement | None = None
    unknown: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request is certainly allowed."""
        return self.outcome is Outcome.ALLOWED


@dataclass(frozen=True)
class AwsDecision:
    """The decision that AWS reports for a request.

    Args:
        outcome: the outcome.
        operation: the operation that reported it.
        by_organization: whether a policy of the organization does not allow the request.
        by_boundary: whether the permissions boundary does not allow it.
        policies: the names of the policies that deny it explicitly.
        missing: condition keys and variables for which AWS had no value.
    """

    outcome: Outcome
    operation: str
    by_organization: bool = False
    by_boundary: bool = False
    policies: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluatedRequest:
    """A request with the decision of the documents and, if AWS could be asked, of AWS."""

    request: Request
    decision: Decision
    aws: AwsDecision | None

    @property
    def outcome(self) -> Outcome:
        """AWS's outcome if there is one, otherwise that of the documents.

        A denial does not count if AWS lacked a value for it, not even an explicit one: StringNotEquals and the other
        negated operators match a key that is absent.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
        """
        aws, documents = self.aws, self.decision.outcome
        if aws is None:
            return documents
        if aws.outcome is Outcome.ALLOWED:
            return Outcome.ALLOWED
        if documents is Outcome.UNDECIDED or (aws.by_organization and aws.missing):
            return Outcome.UNDECIDED
        if aws.outcome is Outcome.IMPLICIT_DENY and aws.missing:
            return documents
        return aws.outcome

    @property
    def denied(self) -> bool:
        """Whether the request is certainly denied."""
        return self.outcome in {Outcome.EXPLICIT_DENY, Outcome.IMPLICIT_DENY}

    @property
    def disagreement(self) -> str | None:
        """Both decisions in words if AWS decides otherwise than the documents; None if they agree."""
        aws, decision = self.aws, self.decision
        if aws is None or decision.outcome in {aws.outcome, Outcome.UNDECIDED}:
            return None
        by = f", by {decision.policy.name}" if decision.policy else ""
        lacking = f" without a value of {', '.join(aws.missing)}" if aws.missing else ""
        return f"{aws.operation} reports {aws.outcome}{lacking}, but the documents say {decision.outcome}{by}"


def decide(
    request: Request, policies: Sequence[Policy], context: RequestContext, boundary: Policy | None = None
) -> Decision:
    """Decide on a request by policy documents.

    Args:
        request: the action and the resource.
        policies: each can allow or deny.
        context: the values of condition keys and variables.
        boundary: a permissions boundary, which must allow the request as well.
    """
    everything = [*policies, *([boundary] if boundary else [])]
    denied = _decision(_matching(request, everything, context, allows=False), context, Outcome.EXPLICIT_DENY)
    if denied and denied.outcome is Outcome.EXPLICIT_DENY:
        return denied
    allowed = _decision(_matching(request, policies, context, allows=True), context, Outcome.ALLOWED)
    if allowed is None:
        return Decision(Outcome.IMPLICIT_DENY)
    if boundary:
        bounded = _decision(_matching(request, [boundary], context, allows=True), context, Outcome.ALLOWED)
        if bounded is None:
            return Decision(Outcome.IMPLICIT_DENY, policy=boundary)
        if not bounded.allowed:
            allowed = bounded if allowed.allowed else allowed
    return denied if denied and allowed.allowed else allowed


def _matching(
    request: Request, policies: Iterable[Policy], context: RequestContext, *, allows: bool
) -> Iterator[tuple[Policy, Statement, bool]]:
    """Yield the statements of one effect that match a request or might, and whether they certainly do."""
    for policy in policies:
        for statement in policy.statements:
            if statement.allows is not allows or not statement.covers_action(request.action):
                continue
            resource, conditions = statement.covers_resource(request.resource, context), statement.is_met(context)
            if resource is not False and conditions is not False:
                yield policy, statement, bool(resource and conditions)


def _decision(
    matching: Iterable[tuple[Policy, Statement, bool]], context: RequestContext, outcome: Outcome
) -> Decision | None:
    """Return the decision of the first certain statement; an undecided one if there are only uncertain ones."""
    uncertain = None
    for policy, statement, certain in matching:
        if certain:
            return Decision(outcome, policy, statement)
        uncertain = uncertain or Decision(Outcome.UNDECIDED, policy, statement, statement.unknown_keys(context))
    return uncertain
