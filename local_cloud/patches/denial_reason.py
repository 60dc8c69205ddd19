"""A refusal names the permissions boundary when it was the boundary that did not allow the action.

ministack words every refusal as that of an identity-based policy.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_actions, iam_evaluator

from local_cloud.role_policies import role_policies_allow

NEEDS = {
    iam_actions: ("access_denied_response",),
    iam_evaluator: ("_gather_role_policies", "_role_name_from_assumed_arn"),
}


def install() -> None:
    """Word the refusal before ministack formats it."""
    respond = iam_actions.access_denied_response

    def access_denied_response(
        service: str, action: str, principal_arn: str, request_id: str, **details: Any
    ) -> tuple[int, dict[str, str], bytes]:
        resource_arn = details.get("resource_arn", "*")
        undecided = not (details.get("error_code") or details.get("message") or details.get("explicit_deny"))
        if undecided and _allowed_but_for_the_boundary(principal_arn, action, resource_arn):
            details["message"] = (
                f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource_arn} "
                f"because no permissions boundary allows the {action} action"
            )
        response: tuple[int, dict[str, str], bytes] = respond(service, action, principal_arn, request_id, **details)
        return response

    iam_actions.access_denied_response = access_denied_response


def _allowed_but_for_the_boundary(principal_arn: str, action: str, resource_arn: str) -> bool:
    if ":assumed-role/" not in principal_arn:
        return False
    role_name = iam_evaluator._role_name_from_assumed_arn(principal_arn)
    return role_policies_allow(principal_arn, role_name, action, resource_arn)
