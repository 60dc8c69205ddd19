"""Why a request is denied, in words."""

from __future__ import annotations

from collections.abc import Sequence

from pubsub_cli.iam.decision import Outcome
from pubsub_cli.iam.document import Policy
from pubsub_cli.iam.facts import Facts
from pubsub_cli.iam.near_miss import near_misses
from pubsub_cli.iam.verdict import Verdict

_ORGANIZATION = "a policy of the AWS organization (a service control policy, say) does not allow it"


def why(verdict: Verdict, policies: Sequence[Policy], facts: Facts) -> str:
    """Return why a request is not allowed, as a sentence goes on after a colon."""
    if verdict.disagreement:
        return _by_aws(verdict)
    return _by_documents(verdict, policies, facts)


def _by_aws(verdict: Verdict) -> str:
    answer = verdict.answer
    if answer and answer.by_organization:
        return f"{_ORGANIZATION}; {verdict.disagreement}"
    named = f", naming {', '.join(answer.policies)}" if answer and answer.policies else ""
    bounded = ", because of the permissions boundary" if answer and answer.by_boundary else ""
    return f"{verdict.disagreement}{named}{bounded}"


def _by_documents(verdict: Verdict, policies: Sequence[Policy], facts: Facts) -> str:
    decision, request = verdict.decision, verdict.request
    match decision.outcome:
        case Outcome.EXPLICIT_DENY if decision.policy and decision.statement:
            return f"{decision.policy.name} denies it: {decision.statement.text}"
        case Outcome.UNDECIDED if decision.policy and decision.statement:
            return f"it turns on {', '.join(decision.unknown)} in {decision.policy.name}: {decision.statement.text}"
    asked = [decision.policy] if decision.policy else policies
    misses = list(dict.fromkeys(f"{each.policy.name}: {each.text}" for each in near_misses(request, asked, facts)))
    bounded = f"{decision.policy.name} does not allow it, and the role may no more than that" if decision.policy else ""
    if misses:
        return "; ".join([bounded, *misses] if bounded else misses)
    names = ", ".join(each.name for each in policies)
    return bounded or (f"no statement of {names} covers it" if names else "there is no policy that does")
