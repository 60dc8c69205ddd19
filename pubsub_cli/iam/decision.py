"""What policies say to a request: an explicit deny wins, then an allow, else it is denied.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pubsub_cli.iam.conditions import met, unknown_keys
from pubsub_cli.iam.document import Policy, Statement
from pubsub_cli.iam.facts import Facts
from pubsub_cli.iam.pattern import any_of, matches, negated, variables
from pubsub_cli.iam.request import Request


class Outcome(StrEnum):
    """How a request is decided."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"
    UNDECIDED = "undecided"
    """It turns on a condition or a variable whose value is not known here."""


@dataclass(frozen=True)
class Decision:
    """How a request is decided, and what decides it.

    Args:
        outcome: the decision.
        policy: the policy of the statement that decides; the boundary where it lacks one that allows.
        statement: the statement that decides; None where none allows.
        unknown: condition keys and variables that an undecided request turns on.
    """

    outcome: Outcome
    policy: Policy | None = None
    statement: Statement | None = None
    unknown: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request is allowed for certain."""
        return self.outcome is Outcome.ALLOWED


def decide(request: Request, policies: Sequence[Policy], facts: Facts, boundary: Policy | None = None) -> Decision:
    """Decide on a request.

    Args:
        request: the action and the resource.
        policies: each may allow, and each may deny.
        facts: what else is known of the request.
        boundary: a permissions boundary, which must allow too.
    """
    everything = [*policies, *([boundary] if boundary else [])]
    denied = _decision(_found(request, everything, facts, allows=False), facts, Outcome.EXPLICIT_DENY)
    if denied and denied.outcome is Outcome.EXPLICIT_DENY:
        return denied
    allowed = _decision(_found(request, policies, facts, allows=True), facts, Outcome.ALLOWED)
    if allowed is None:
        return Decision(Outcome.IMPLICIT_DENY)
    if boundary:
        bounded = _decision(_found(request, [boundary], facts, allows=True), facts, Outcome.ALLOWED)
        if bounded is None:
            return Decision(Outcome.IMPLICIT_DENY, policy=boundary)
        if not bounded.allowed:
            allowed = bounded if allowed.allowed else allowed
    return denied if denied and allowed.allowed else allowed


def covers_action(statement: Statement, action: str) -> bool:
    """Tell whether a statement is about an action."""
    if statement.not_actions:
        return not any(matches(each, action, None, ignore_case=True) for each in statement.not_actions)
    return any(matches(each, action, None, ignore_case=True) for each in statement.actions)


def covers_resource(statement: Statement, resource: str, facts: Facts) -> bool | None:
    """Tell whether a statement is about a resource; None if that turns on a variable whose value is not known."""
    known = facts if statement.has_variables else None
    if statement.not_resources:
        return negated(any_of(matches(each, resource, known) for each in statement.not_resources))
    return any_of(matches(each, resource, known) for each in statement.resources)


@dataclass(frozen=True)
class _Found:
    policy: Policy
    statement: Statement
    certain: bool


def _found(request: Request, policies: Iterable[Policy], facts: Facts, *, allows: bool) -> Iterator[_Found]:
    """Yield the statements of one effect that match a request, or may."""
    for policy in policies:
        for statement in policy.statements:
            if statement.allows is not allows or not covers_action(statement, request.action):
                continue
            resource = covers_resource(statement, request.resource, facts)
            condition = met(statement.conditions, facts, has_variables=statement.has_variables)
            if resource is not False and condition is not False:
                yield _Found(policy, statement, certain=bool(resource and condition))


def _decision(found: Iterable[_Found], facts: Facts, outcome: Outcome) -> Decision | None:
    """Return what the first certain statement decides; an undecided one if there are only uncertain ones."""
    uncertain = None
    for each in found:
        if each.certain:
            return Decision(outcome, each.policy, each.statement)
        uncertain = uncertain or each
    if uncertain is None:
        return None
    return Decision(Outcome.UNDECIDED, uncertain.policy, uncertain.statement, _unknown(uncertain.statement, facts))


def _unknown(statement: Statement, facts: Facts) -> tuple[str, ...]:
    patterns = (*statement.resources, *statement.not_resources) if statement.has_variables else ()
    names = [name for pattern in patterns for name in variables(pattern) if facts.of(name) is None]
    return tuple(dict.fromkeys([*names, *unknown_keys(statement.conditions, facts)]))
