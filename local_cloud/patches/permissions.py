"""Requests are authorized by the actions, resources and condition keys that AWS documents, where ministack's differ.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs, unquote

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region

# ministack does not know the first action, so it authorizes everybody, and has one action for a function's concurrency.
_LAMBDA_ACTIONS = {
    ("GET", "/account-settings"): "GetAccountSettings",
    ("DELETE", "/concurrency"): "DeleteFunctionConcurrency",
    ("GET", "/concurrency"): "GetFunctionConcurrency",
    ("PUT", "/concurrency"): "PutFunctionConcurrency",
}
_RULE_OPERATIONS = (
    "DeleteRule", "DescribeRule", "DisableRule", "EnableRule", "ListTargetsByRule", "PutRule", "PutTargets",
    "RemoveTargets",
)  # fmt: skip
_POLICY_TARGETS = "/policy-targets/"

_parameters: ContextVar[tuple[str, ...]] = ContextVar("parameters", default=())
_policy_arn: ContextVar[str | None] = ContextVar("policy_arn", default=None)


def install() -> None:
    """Derive action, resource and condition keys from requests as AWS does."""
    action_of_lambda, extract_action = iam_actions._lambda_action, iam_actions.extract_iam_action
    extract_arn, enforce = iam_actions.extract_resource_arn, iam_evaluator.enforce

    def lambda_action(method: str, path: str) -> str | None:
        for (its_method, suffix), action in _LAMBDA_ACTIONS.items():
            if method == its_method and path.rstrip("/").endswith(suffix):
                return action
        action_of_others: str | None = action_of_lambda(method, path)
        return action_of_others

    def extract_iam_action(service: str, *request: Any) -> str | None:
        action: str | None = extract_action(service, *request)
        # Batches need the permission for one message. ministack requires sqs:SendMessageBatch, which AWS does not have.
        return action.removesuffix("Batch") if service == "sqs" and action else action

    def extract_resource_arn(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, *request: Any
    ) -> str:
        target = headers.get("x-amz-target", "")
        _parameters.set(tuple(json.loads(body)["Names"]) if target == "AmazonSSM.GetParameters" else ())
        policy = parse_qs(body.decode()).get("PolicyArn") if service == "iam" else None
        _policy_arn.set(policy[0] if policy else None)
        resource = _resource(service, path, target, body)
        arn: str = resource or extract_arn(service, method, path, headers, body, *request)
        return arn

    def enforce_as_aws(access_key: str, action: str, service: str, region: str, *request: Any, **details: Any) -> Any:
        if action in ("iam:AttachRolePolicy", "iam:DetachRolePolicy") and (arn := _policy_arn.get()):
            details["service_context"] = {**(details.get("service_context") or {}), "iam:PolicyARN": arn}
        if action != "ssm:GetParameters" or not _parameters.get():
            return enforce(access_key, action, service, region, *request, **details)
        # The permission to read each parameter is needed, where ministack requires one for `*`.
        for name in _parameters.get():
            arn = f"arn:aws:ssm:{region}:{get_account_id()}:parameter/{name.lstrip('/')}"
            if denied := enforce(access_key, action, service, region, **details | {"resource_arn": arn}):
                return denied
        return None

    iam_actions._lambda_action = lambda_action
    iam_actions.extract_iam_action = extract_iam_action
    iam_actions.extract_resource_arn = extract_resource_arn
    iam_evaluator.enforce = enforce_as_aws


def _resource(service: str, path: str, target: str, body: bytes) -> str | None:
    """Return the ARN that authorizes a request, where ministack takes another or ``*``."""
    account = f"{get_region()}:{get_account_id()}"
    if service == "iot" and path.startswith(_POLICY_TARGETS):
        return f"arn:aws:iot:{account}:policy/{unquote(path.removeprefix(_POLICY_TARGETS))}"
    if service == "logs" and target == "Logs_20140328.DescribeLogGroups":
        # AWS's denial names a log group without a name. `log-group:*` matches it, the name of one log group does not.
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
