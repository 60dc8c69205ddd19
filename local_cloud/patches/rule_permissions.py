"""A rule on the default event bus is authorized by an ARN that does not name the bus, its targets by the rule's too.

ministack names the bus in the ARN of every rule, and wants the permission to list targets on ``*``.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region

NEEDS = {iam_actions: ("extract_resource_arn",)}

_DEFAULT = "default"
_OPERATIONS = (
    "DeleteRule", "DescribeRule", "DisableRule", "EnableRule", "ListTargetsByRule", "PutRule", "PutTargets",
    "RemoveTargets",
)  # fmt: skip


def install() -> None:
    """Authorize what is about a rule on the rule's ARN."""
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, *request: Any
    ) -> str:
        about_rule = headers.get("x-amz-target", "").endswith(_OPERATIONS)
        if service == "events" and about_rule and (rule := _rule(body)):
            return f"arn:aws:events:{get_region()}:{get_account_id()}:rule/{rule}"
        arn: str = extract(service, method, path, headers, body, *request)
        return arn

    iam_actions.extract_resource_arn = extract_resource_arn


def _rule(body: bytes) -> str | None:
    """Return the rule that a request is about, behind its bus unless that is the default one; None if about none."""
    asked: dict[str, Any] = {}
    with suppress(ValueError):
        asked = json.loads(body)
    name, bus = asked.get("Rule") or asked.get("Name"), asked.get("EventBusName") or _DEFAULT
    if not isinstance(name, str):
        return None
    return name if bus == _DEFAULT else f"{bus}/{name}"
