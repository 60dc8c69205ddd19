"""Decides whether policies allow a request: an explicit deny wins, then an allow; otherwise the request is denied.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pubsub_cli.iam.documents import Policy, Statement, all_of
from pubsub_cli.iam.request import Request, RequestContext


class Outcome(StrEnum):
    """Whether a request is allowed."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"
    UNKNOWN = "unknown"
    """It depends on a condition or a variable whose value is not known."""


@dataclass(frozen=True)
class Decision:
    """The decision of policy documents on a request.

    Args:
        outcome: the outcome.
        policy: the policy of the deciding statement, or the boundary if it does not allow the request.
        statement: the deciding statement; None if no statement allows the request.
        unknown: the condition keys and variables that an unknown outcome depends on.
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
    """The decision of AWS on a request.

    Args:
        outcome: the outcome.
        operation: the operation that reported the decision.
        by_organization: whether the policies of the organization do not allow the request.
        by_boundary: whether the permissions boundary does not allow the request.
        policies: the names of the policies that deny the request explicitly.
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
    """A request, the decision of the documents and, if known, the decision of AWS."""

    request: Request
    decision: Decision
    aws: AwsDecision | None

    @property
    def outcome(self) -> Outcome:
        """The outcome of AWS, or of the documents if AWS did not decide or lacked a value for its denial.

        Even an explicit deny can come from a missing value: StringNotEquals and the other negated operators match an
        absent key.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
        """
        aws, documents = self.aws, self.decision.outcome
        if aws is None:
            return documents
        if aws.outcome is Outcome.ALLOWED:
            return Outcome.ALLOWED
        if not aws.missing:
            return aws.outcome
        if aws.by_organization:
            return Outcome.UNKNOWN
        return aws.outcome if aws.outcome is Outcome.EXPLICIT_DENY and documents is not Outcome.UNKNOWN else documents

    @property
    def denied(self) -> bool:
        """Whether the request is certainly denied."""
        return self.outcome in {Outcome.EXPLICIT_DENY, Outcome.IMPLICIT_DENY}

    @property
    def disagreement(self) -> str | None:
        """Both decisions in words if they differ; None if they agree."""
        aws, decision = self.aws, self.decision
        if aws is None or decision.outcome in {aws.outcome, Outcome.UNKNOWN}:
            return None
        by = f", by {decision.policy.name}" if decision.policy else ""
        lacking = f" without a value of {', '.join(aws.missing)}" if aws.missing else ""
        return f"{aws.operation} reports {aws.outcome}{lacking}, but the documents say {decision.outcome}{by}"


def decide(
    request: Request, policies: Sequence[Policy], context: RequestContext, boundary: Policy | None = None
) -> Decision:
    """Return the decision of policy documents on a request.

    Args:
        request: the action and the resource.
        policies: each can allow or deny.
        context: the values of condition keys and variables.
        boundary: a permissions boundary, which must allow the request as well.
    """
    denied = _decide_by_statements(request, [*policies, boundary] if boundary else policies, context, allows=False)
    if denied and denied.outcome is Outcome.EXPLICIT_DENY:
        return denied
    allowed = _decide_by_statements(request, policies, context, allows=True)
    if allowed is None:
        return Decision(Outcome.IMPLICIT_DENY)
    if boundary:
        bounded = _decide_by_statements(request, [boundary], context, allows=True)
        if bounded is None:
            return Decision(Outcome.IMPLICIT_DENY, policy=boundary)
        if allowed.allowed and not bounded.allowed:
            allowed = bounded
    return denied if denied and allowed.allowed else allowed


def _decide_by_statements(
    request: Request, policies: Iterable[Policy], context: RequestContext, *, allows: bool
) -> Decision | None:
    """Return the decision of the statements of one effect: of the first that applies, or else of one that might."""
    uncertain = None
    for policy in policies:
        for statement in policy.statements:
            if statement.allows is not allows or not statement.covers_action(request.action):
                continue
            applies = all_of([statement.covers_resource(request.resource, context), statement.is_met(context)])
            if applies:
                return Decision(Outcome.ALLOWED if allows else Outcome.EXPLICIT_DENY, policy, statement)
            if applies is None and uncertain is None:
                uncertain = Decision(Outcome.UNKNOWN, policy, statement, statement.unknown_keys(context))
    return uncertain
