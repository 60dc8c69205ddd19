"""Permissions that a request needs besides that of its own action, such as to pass a role."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_actions, iam_evaluator

NEEDS = {
    iam_actions: ("access_denied_response", "extract_resource_arn"),
    iam_evaluator: ("enforce",),
}
"""What :func:`require` takes hold of in ministack."""


@dataclass(frozen=True)
class FurtherPermission:
    """One of them: the action, the resource, and the request's condition keys."""

    action: str
    resource_arn: str
    condition_keys: Mapping[str, str] = field(default_factory=dict)


Finder = Callable[[Mapping[str, Any]], Iterable[FurtherPermission]]
"""Finds what a request needs in its JSON body."""

_body: ContextVar[bytes] = ContextVar("body", default=b"")
_denied: ContextVar[FurtherPermission | None] = ContextVar("denied", default=None)


def require(finders: Mapping[str, Finder]) -> None:
    """Deny requests of these actions without the further permissions that are found in them.

    Args:
        finders: by action, such as ``cognito-idp:UpdateUserPool``; only of services whose requests are JSON.
    """
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
        if denied or action not in finders:
            return denied
        for each in finders[action](json.loads(_body.get() or b"{}")):
            keys = dict(each.condition_keys)
            denied = enforce(
                access_key, each.action, service, region, resource_arn=each.resource_arn, service_context=keys
            )
            if denied:
                _denied.set(each)
                return denied
        return None

    def access_denied_response(service: str, action: str, *request: Any, **details: Any) -> Any:
        if further := _denied.get():
            action = further.action
            principal_arn = request[0]
            details["resource_arn"] = further.resource_arn
            details["message"] = iam_actions.identity_denial_message(
                action, principal_arn, further.resource_arn, details.get("explicit_deny", False)
            )
        return respond(service, action, *request, **details)

    iam_actions.extract_resource_arn = extract_resource_arn
    iam_evaluator.enforce = enforce_further
    iam_actions.access_denied_response = access_denied_response
