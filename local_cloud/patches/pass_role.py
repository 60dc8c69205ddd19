"""Who gives a role to a service needs the permission to pass it, ``iam:PassRole``, however the request is named.

ministack asks only for the request's own action.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncognitouserpools.html
UpdateUserPool with an SMS role: https://github.com/serverless/serverless/issues/6593
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local_cloud import further_permissions
from local_cloud.further_permissions import Finder, FurtherPermission, require

NEEDS = further_permissions.NEEDS


def install() -> None:
    """Ask for the permission to pass each role that a request names."""
    user_pools, identity_pools = "cognito-idp.amazonaws.com", "cognito-identity.amazonaws.com"
    require(
        {
            "cognito-idp:CreateUserPool": _passing(user_pools, lambda given: [_sms_role(given)]),
            "cognito-idp:UpdateUserPool": _passing(user_pools, lambda given: [_sms_role(given)]),
            "cognito-idp:SetUserPoolMfaConfig": _passing(
                user_pools, lambda given: [_sms_role(given.get("SmsMfaConfiguration") or {})]
            ),
            "cognito-idp:CreateGroup": _passing(user_pools, lambda given: [given.get("RoleArn")]),
            "cognito-idp:UpdateGroup": _passing(user_pools, lambda given: [given.get("RoleArn")]),
            "cognito-identity:SetIdentityPoolRoles": _passing(identity_pools, _identity_pool_roles),
            "lambda:CreateFunction": _passing("lambda.amazonaws.com", lambda given: [given.get("Role")]),
            "lambda:UpdateFunctionConfiguration": _passing("lambda.amazonaws.com", lambda given: [given.get("Role")]),
            "states:CreateStateMachine": _passing("states.amazonaws.com", lambda given: [given.get("roleArn")]),
            "states:UpdateStateMachine": _passing("states.amazonaws.com", lambda given: [given.get("roleArn")]),
            "events:PutTargets": _passing(
                "events.amazonaws.com", lambda given: [each.get("RoleArn") for each in given.get("Targets", [])]
            ),
        }
    )


def _passing(service: str, roles: Callable[[Mapping[str, Any]], Iterable[str | None]]) -> Finder:
    """Return what finds the roles that a request passes to a service."""

    def find(given: Mapping[str, Any]) -> list[FurtherPermission]:
        keys = {"iam:PassedToService": service}
        return [FurtherPermission("iam:PassRole", arn, keys) for arn in dict.fromkeys(roles(given)) if arn]

    return find


def _sms_role(given: Mapping[str, Any]) -> str | None:
    return (given.get("SmsConfiguration") or {}).get("SnsCallerArn")


def _identity_pool_roles(given: Mapping[str, Any]) -> Iterable[str | None]:
    yield from (given.get("Roles") or {}).values()
    for mapping in (given.get("RoleMappings") or {}).values():
        for rule in (mapping.get("RulesConfiguration") or {}).get("Rules", []):
            yield rule.get("RoleARN")
