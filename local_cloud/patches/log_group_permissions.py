"""Whoever may describe log groups may describe all of them: AWS authorizes the action on no single one.

AWS names a log group without a name in its refusal, which `log-group:*` matches and the name of a log group does not;
ministack wants the permission on ``*``.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
https://github.com/hashicorp/terraform-provider-aws/issues/8804
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region

NEEDS = {iam_actions: ("extract_resource_arn",)}

_TARGET = "Logs_20140328.DescribeLogGroups"


def install() -> None:
    """Authorize the action on every log group."""
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(service: str, method: str, path: str, headers: dict[str, str], *request: Any) -> str:
        if service == "logs" and headers.get("x-amz-target") == _TARGET:
            return f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group::log-stream:"
        arn: str = extract(service, method, path, headers, *request)
        return arn

    iam_actions.extract_resource_arn = extract_resource_arn
