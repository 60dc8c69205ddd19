"""Requests that pass a role or a key to a service, or move messages, need permissions besides that of their action.

ministack requires only the permission for the action. A request that gives a role to a service needs ``iam:PassRole``:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncognitouserpools.html
UpdateUserPool with an SMS role: https://github.com/serverless/serverless/issues/6593

A user pool with custom senders needs ``kms:CreateGrant`` on the key in its ``LambdaConfig``:
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sms-sender.html

A task that moves messages needs the permissions to receive, delete and send them:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_actions, iam_evaluator

Request = Mapping[str, Any]


@dataclass(frozen=True)
class _Permission:
    action: str
    resource_arn: str
    condition_keys: Mapping[str, str] = field(default_factory=dict)


_Finder = Callable[[Request], Iterable[_Permission]]

_body: ContextVar[bytes] = ContextVar("body", default=b"")
_denied: ContextVar[_Permission | None] = ContextVar("denied", default=None)


def install() -> None:
    """Deny requests that lack a further permission."""
    extract, enforce, respond = (
        iam_actions.extract_resource_arn,
        iam_evaluator.enforce,
        iam_actions.access_denied_response,
    )

    def extract_resource_arn(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, *request: Any
    ) -> str:
        _body.set(body)
        _denied.set(None)
        arn: str = extract(service, method, path, headers, body, *request)
        return arn

    def enforce_further(access_key: str, action: str, service: str, region: str, *request: Any, **details: Any) -> Any:
        denied = enforce(access_key, action, service, region, *request, **details)
        if denied or action not in _FINDERS:
            return denied
        given = json.loads(_body.get() or b"{}")
        for permission in (each for find in _FINDERS[action] for each in find(given)):
            arn, keys = permission.resource_arn, dict(permission.condition_keys)
            denied = enforce(access_key, permission.action, service, region, resource_arn=arn, service_context=keys)
            if denied:
                _denied.set(permission)
                return denied
        return None

    def access_denied_response(service: str, action: str, *request: Any, **details: Any) -> Any:
        if permission := _denied.get():
            action, principal_arn = permission.action, request[0]
            details["resource_arn"] = permission.resource_arn
            details["message"] = iam_actions.identity_denial_message(
                action, principal_arn, permission.resource_arn, details.get("explicit_deny", False)
            )
        return respond(service, action, *request, **details)

    iam_actions.extract_resource_arn = extract_resource_arn
    iam_evaluator.enforce = enforce_further
    iam_actions.access_denied_response = access_denied_response


def _pass_role(service: str, roles: Callable[[Request], Iterable[str | None]]) -> _Finder:
    """Return what finds the roles that a request passes to a service."""
    keys = {"iam:PassedToService": f"{service}.amazonaws.com"}
    return lambda given: [_Permission("iam:PassRole", arn, keys) for arn in dict.fromkeys(roles(given)) if arn]


def _create_grant(given: Request) -> list[_Permission]:
    config = given.get("LambdaConfig") or {}
    has_senders = any(config.get(each) for each in ("CustomEmailSender", "CustomSMSSender"))
    key_arn = config.get("KMSKeyID")
    return [_Permission("kms:CreateGrant", key_arn)] if key_arn and has_senders else []


def _move_messages(given: Request) -> list[_Permission]:
    actions = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    source = [_Permission(action, given["SourceArn"]) for action in actions]
    return [*source, _Permission("sqs:SendMessage", given.get("DestinationArn", "*"))]


def _sms_role(given: Request) -> list[str | None]:
    return [(given.get("SmsConfiguration") or {}).get("SnsCallerArn")]


def _identity_pool_roles(given: Request) -> Iterable[str | None]:
    yield from (given.get("Roles") or {}).values()
    for mapping in (given.get("RoleMappings") or {}).values():
        for rule in (mapping.get("RulesConfiguration") or {}).get("Rules", []):
            yield rule.get("RoleARN")


_USER_POOL = (_pass_role("cognito-idp", _sms_role), _create_grant)
_GROUP = (_pass_role("cognito-idp", lambda given: [given.get("RoleArn")]),)
_FUNCTION = (_pass_role("lambda", lambda given: [given.get("Role")]),)
_STATE_MACHINE = (_pass_role("states", lambda given: [given.get("roleArn")]),)
# Only services whose requests are JSON.
_FINDERS: dict[str, tuple[_Finder, ...]] = {
    "cognito-idp:CreateUserPool": _USER_POOL,
    "cognito-idp:UpdateUserPool": _USER_POOL,
    "cognito-idp:SetUserPoolMfaConfig": (
        _pass_role("cognito-idp", lambda given: _sms_role(given.get("SmsMfaConfiguration") or {})),
    ),
    "cognito-idp:CreateGroup": _GROUP,
    "cognito-idp:UpdateGroup": _GROUP,
    "cognito-identity:SetIdentityPoolRoles": (_pass_role("cognito-identity", _identity_pool_roles),),
    "lambda:CreateFunction": _FUNCTION,
    "lambda:UpdateFunctionConfiguration": _FUNCTION,
    "sqs:StartMessageMoveTask": (_move_messages,),
    "sqs:ListMessageMoveTasks": (lambda given: [_Permission("sqs:GetQueueAttributes", given["SourceArn"])],),
    "states:CreateStateMachine": _STATE_MACHINE,
    "states:UpdateStateMachine": _STATE_MACHINE,
    "events:PutTargets": (
        _pass_role("events", lambda given: [each.get("RoleArn") for each in given.get("Targets", [])]),
    ),
}
