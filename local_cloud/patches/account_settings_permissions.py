"""Reading Lambda's account settings needs a permission, on ``*``.

ministack does not know the action, and answers everybody.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
"""

from __future__ import annotations

from ministack.core import iam_actions

NEEDS = {iam_actions: ("_lambda_action",)}

_PATH = "/account-settings"


def install() -> None:
    """Name the action."""
    action_of = iam_actions._lambda_action

    def lambda_action(method: str, path: str) -> str | None:
        if method == "GET" and path.rstrip("/").endswith(_PATH):
            return "GetAccountSettings"
        action: str | None = action_of(method, path)
        return action

    iam_actions._lambda_action = lambda_action
