"""Requests are authorized by the actions, resources and condition keys that AWS documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region


def install() -> None:
    """Install each part."""
    _derive_actions()
    _enforce()


# ministack requires no permission for the first action, and another one for the second.
_LAMBDA_ACTIONS = {"/account-settings": "GetAccountSettings", "/concurrency": "GetFunctionConcurrency"}


def _derive_actions() -> None:
    """Derive the action from requests to Lambda and SQS as AWS does.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
    """
    action_of_lambda, extract_action = iam_actions._lambda_action, iam_actions.extract_iam_action

    def lambda_action(method: str, path: str) -> str | None:
        if method == "GET":
            for suffix, action in _LAMBDA_ACTIONS.items():
                if path.rstrip("/").endswith(suffix):
                    return action
        action_of_others: str | None = action_of_lambda(method, path)
        return action_of_others

    def extract_iam_action(service: str, *request: Any) -> str | None:
        action: str | None = extract_action(service, *request)
        # A batch needs the permission for one message. AWS does not have ministack's sqs:SendMessageBatch.
        return action.removesuffix("Batch") if service == "sqs" and action else action

    iam_actions._lambda_action = lambda_action
    iam_actions.extract_iam_action = extract_iam_action


Request = Mapping[str, Any]


@dataclass(frozen=True)
class _Permission:
    action: str
    resource_arn: str
    condition_keys: Mapping[str, str] = field(default_factory=dict)


_body: ContextVar[bytes] = ContextVar("body", default=b"")
_denied: ContextVar[_Permission | None] = ContextVar("denied", default=None)


def _enforce() -> None:
    """Require the permissions that AWS requires for a request, where ministack differs.

    A request that passes a role, uses a key or moves messages needs permissions besides that of its own action.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncognitouserpools.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    https://github.com/serverless/serverless/issues/6593 (UpdateUserPool of a pool with an SMS role)
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sms-sender.html
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
    """
    extract, enforce = iam_actions.extract_resource_arn, iam_evaluator.enforce
    respond = iam_actions.access_denied_response

    def extract_resource_arn(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, *request: Any
    ) -> str:
        _body.set(body)
        _denied.set(None)
        resource = _resource(service, path, headers.get("x-amz-target", ""), body)
        arn: str = resource or extract(service, method, path, headers, body, *request)
        return arn

    def enforce_as_aws(access_key: str, action: str, service: str, region: str, *request: Any, **details: Any) -> Any:
        if action in ("iam:AttachRolePolicy", "iam:DetachRolePolicy"):
            policy_arn = parse_qs(_body.get().decode()).get("PolicyArn", [""])[0]
            details["service_context"] = {**(details.get("service_context") or {}), "iam:PolicyARN": policy_arn}
        if action == "ssm:GetParameters":
            # AWS requires the permission to read each parameter, ministack one for `*`.
            parameters = f"arn:aws:ssm:{region}:{get_account_id()}:parameter"
            arns = [f"{parameters}/{name.lstrip('/')}" for name in json.loads(_body.get())["Names"]]
            denials = (enforce(access_key, action, service, region, **details | {"resource_arn": arn}) for arn in arns)
            return next((each for each in denials if each), None)
        if denied := enforce(access_key, action, service, region, *request, **details):
            return denied
        further = _FURTHER_PERMISSIONS[action](json.loads(_body.get())) if action in _FURTHER_PERMISSIONS else ()
        for permission in further:
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
    iam_evaluator.enforce = enforce_as_aws
    iam_actions.access_denied_response = access_denied_response


_RULE_OPERATIONS = ("DescribeRule", "ListTargetsByRule")
_POLICY_TARGETS = "/policy-targets/"


def _resource(service: str, path: str, target: str, body: bytes) -> str | None:
    """Return the ARN that a request is authorized on; None where ministack is right."""
    account = f"{get_region()}:{get_account_id()}"
    if service == "iot" and path.startswith(_POLICY_TARGETS):
        return f"arn:aws:iot:{account}:policy/{unquote(path.removeprefix(_POLICY_TARGETS))}"
    if service == "logs" and target == "Logs_20140328.DescribeLogGroups":
        # The ARN in AWS's denials. `log-group:*` matches it, the name of one log group does not.
        # https://github.com/hashicorp/terraform-provider-aws/issues/8804
        return f"arn:aws:logs:{account}:log-group::log-stream:"
    if service == "events" and target.endswith(_RULE_OPERATIONS) and (rule := _rule(body)):
        return f"arn:aws:events:{account}:rule/{rule}"
    return None


def _rule(body: bytes) -> str | None:
    """Return the rule in a request as in its ARN, which names the event bus only if it is not the default bus."""
    given: Mapping[str, Any] = {}
    with suppress(ValueError):
        given = json.loads(body)
    name, bus = given.get("Rule") or given.get("Name"), given.get("EventBusName") or "default"
    if not isinstance(name, str):
        return None
    return name if bus == "default" else f"{bus}/{name}"


def _pass_to_cognito(role_arn: str | None) -> list[_Permission]:
    keys = {"iam:PassedToService": "cognito-idp.amazonaws.com"}
    return [_Permission("iam:PassRole", role_arn, keys)] if role_arn else []


def _update_user_pool(given: Request) -> list[_Permission]:
    config = given.get("LambdaConfig") or {}
    has_senders = any(config.get(each) for each in ("CustomEmailSender", "CustomSMSSender"))
    key_arn = config.get("KMSKeyID")
    pass_role = _pass_to_cognito((given.get("SmsConfiguration") or {}).get("SnsCallerArn"))
    return [*pass_role, *([_Permission("kms:CreateGrant", key_arn)] if key_arn and has_senders else [])]


def _set_mfa(given: Request) -> list[_Permission]:
    sms = (given.get("SmsMfaConfiguration") or {}).get("SmsConfiguration") or {}
    return _pass_to_cognito(sms.get("SnsCallerArn"))


def _move_messages(given: Request) -> list[_Permission]:
    actions = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    source = [_Permission(action, given["SourceArn"]) for action in actions]
    return [*source, _Permission("sqs:SendMessage", given.get("DestinationArn", "*"))]


# Only operations that this toolkit calls, and only services whose requests are JSON.
_FURTHER_PERMISSIONS: dict[str, Callable[[Request], Iterable[_Permission]]] = {
    "cognito-idp:UpdateUserPool": _update_user_pool,
    "cognito-idp:SetUserPoolMfaConfig": _set_mfa,
    "cognito-idp:UpdateGroup": lambda given: _pass_to_cognito(given.get("RoleArn")),
    "sqs:StartMessageMoveTask": _move_messages,
    "sqs:ListMessageMoveTasks": lambda given: [_Permission("sqs:GetQueueAttributes", given["SourceArn"])],
}
