"""Whether a role trusts an identity pool's signed-in users, so that they get credentials of it.

https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pubsub_cli.iam.conditions import met
from pubsub_cli.iam.decision import covers_action
from pubsub_cli.iam.document import VERSION, Policy, Statement, listed, statements_of
from pubsub_cli.iam.facts import Facts
from pubsub_client.policy_document import identity_service

_ACTION = "sts:AssumeRoleWithWebIdentity"
_FOR_OTHERS = "sts:assumerole"


def why_not_trusted(document: Mapping[str, Any], region: str, facts: Facts) -> str | None:
    """Return why a trust policy keeps an identity pool's signed-in users off its role; None if it does not.

    A condition whose key is not known here is taken to be met.

    Args:
        document: the role's trust policy.
        region: where the identity pool is.
        facts: what is known of its users.
    """
    service = identity_service(region)
    statements = Policy.read("the trust policy", "", document).statements
    for statement in statements:
        certain = met(statement.conditions, facts, has_variables=statement.has_variables)
        if not statement.allows and _is_about(statement, service) and certain:
            return f"denies it: {statement.text}"
    allowing = [each for each in statements if each.allows]
    of_service = [each for each in allowing if _names(each, service)]
    if not of_service:
        return f"names no principal Federated: {service}"
    if not (about := [each for each in of_service if covers_action(each, _ACTION)]):
        return f"does not allow {service} the action {_ACTION}"
    wrong = [_unmet(each, facts) for each in about]
    return None if not all(wrong) else "; ".join(text for text in wrong if text)


def with_trust(document: Mapping[str, Any], region: str, identity_pool_id: str, *, alone: bool) -> dict[str, Any]:
    """Return a trust policy that trusts an identity pool's signed-in users, and else whom it trusted.

    What it said of this identity pool's users before goes: it was wrong, and guests may have been trusted. What else
    it let them do, such as sts:TagSession, stays.

    Args:
        document: the role's trust policy.
        region: where the identity pool is.
        identity_pool_id: the identity pool.
        alone: whether the role is made for this identity pool, so that no other has any business with it.
    """
    service = identity_service(region)
    pools = {identity_pool_id}
    statements = statements_of(document)
    replaced = [each for each in statements if _is_of(each, service, None if alone else pools)]
    actions = {str(action) for each in replaced for action in listed(each.get("Action"))}
    more = sorted(each for each in actions if each.lower() not in {_ACTION.lower(), _FOR_OTHERS})
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": service},
        "Action": [_ACTION, *more] if more else _ACTION,
        "Condition": {
            "StringEquals": {f"{service}:aud": identity_pool_id},
            "ForAnyValue:StringLike": {f"{service}:amr": "authenticated"},
        },
    }
    others = [each for each in statements if each not in replaced]
    return {**document, "Version": document.get("Version", VERSION), "Statement": [*others, statement]}


def _is_about(statement: Statement, service: str) -> bool:
    return _names(statement, service) and covers_action(statement, _ACTION)


def _names(statement: Statement, service: str) -> bool:
    principal = statement.source.get("Principal")
    if principal == "*":
        return True
    return isinstance(principal, dict) and bool({service, "*"} & set(listed(principal.get("Federated"))))


def _unmet(statement: Statement, facts: Facts) -> str:
    """Return the conditions of a statement that are not met, in words; nothing if there are none."""
    return " and ".join(
        f"wants {key} to be {' or '.join(wanted)} ({operator}), and it is {' or '.join(facts.of(key) or ('nothing',))}"
        for operator, keys in statement.conditions.items()
        for key, wanted in keys.items()
        if met({operator: {key: wanted}}, facts, has_variables=statement.has_variables) is False
    )


def _is_of(statement: Any, service: str, of_pools: set[str] | None) -> bool:
    """Tell whether a statement allows the service itself for these identity pools alone, or for any if none is given.

    A statement that names no identity pool is of all, so others may live on it.
    """
    conditions = statement.get("Condition", {})
    pools = {pool for keys in conditions.values() for pool in listed(keys.get(f"{service}:aud"))}
    principal = statement.get("Principal")
    federated = listed(principal.get("Federated")) if isinstance(principal, dict) else []
    within = of_pools is None or pools == of_pools
    return statement.get("Effect") == "Allow" and federated == [service] and within
