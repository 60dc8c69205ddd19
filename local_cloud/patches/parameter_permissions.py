"""Who reads several parameters at once needs the permission to read each of them.

ministack asks once, for ``*``, so a role that may read two parameters by name could read none.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id

NEEDS = {iam_actions: ("extract_resource_arn",), iam_evaluator: ("enforce",)}

_names: ContextVar[tuple[str, ...]] = ContextVar("names", default=())


def install() -> None:
    """Ask for each parameter that a call names."""
    extract, enforce = iam_actions.extract_resource_arn, iam_evaluator.enforce

    def extract_resource_arn(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, *request: Any
    ) -> str:
        reads_several = headers.get("x-amz-target") == "AmazonSSM.GetParameters"
        _names.set(tuple(json.loads(body)["Names"]) if reads_several else ())
        arn: str = extract(service, method, path, headers, body, *request)
        return arn

    def enforce_each(access_key: str, action: str, service: str, region: str, *request: Any, **details: Any) -> Any:
        if action != "ssm:GetParameters" or not _names.get():
            return enforce(access_key, action, service, region, *request, **details)
        for name in _names.get():
            arn = f"arn:aws:ssm:{region}:{get_account_id()}:parameter/{name.lstrip('/')}"
            if denied := enforce(access_key, action, service, region, **details | {"resource_arn": arn}):
                return denied
        return None

    iam_actions.extract_resource_arn = extract_resource_arn
    iam_evaluator.enforce = enforce_each
