"""Who attaches a policy to a role, or detaches one, may be limited to certain policies by ``iam:PolicyARN``.

ministack does not tell the condition which policy it is, so a statement with it allows nothing.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_actions, iam_evaluator

NEEDS = {iam_actions: ("extract_resource_arn",), iam_evaluator: ("enforce",)}

_ACTIONS = ("iam:AttachRolePolicy", "iam:DetachRolePolicy")

_policy_arn: ContextVar[str | None] = ContextVar("policy_arn", default=None)


def install() -> None:
    """Tell conditions the policy that the request names."""
    extract, enforce = iam_actions.extract_resource_arn, iam_evaluator.enforce

    def extract_resource_arn(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, *request: Any
    ) -> str:
        named = parse_qs(body.decode()).get("PolicyArn") if service == "iam" else None
        _policy_arn.set(named[0] if named else None)
        arn: str = extract(service, method, path, headers, body, *request)
        return arn

    def enforce_with_key(access_key: str, action: str, *request: Any, **details: Any) -> Any:
        if action in _ACTIONS and (policy_arn := _policy_arn.get()):
            details["service_context"] = {**(details.get("service_context") or {}), "iam:PolicyARN": policy_arn}
        return enforce(access_key, action, *request, **details)

    iam_actions.extract_resource_arn = extract_resource_arn
    iam_evaluator.enforce = enforce_with_key
