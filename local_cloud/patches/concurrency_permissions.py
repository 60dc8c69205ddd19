"""To read a function's reserved concurrency takes another permission than to change it.

ministack takes whatever is done with it for ``PutFunctionConcurrency``.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
"""

from __future__ import annotations

from ministack.core import iam_actions

NEEDS = {iam_actions: ("_lambda_action",)}

_BY_METHOD = {
    "DELETE": "DeleteFunctionConcurrency",
    "GET": "GetFunctionConcurrency",
    "PUT": "PutFunctionConcurrency",
}


def install() -> None:
    """Name the action by the request's method."""
    action_of = iam_actions._lambda_action

    def lambda_action(method: str, path: str) -> str | None:
        action: str | None = action_of(method, path)
        return _BY_METHOD.get(method) if path.endswith("/concurrency") else action

    iam_actions._lambda_action = lambda_action
