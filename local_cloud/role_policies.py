"""What a role's own policies allow, its boundary aside: asked by behaviours that ministack does not ask for."""

from __future__ import annotations

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region


def role_policies_allow(principal_arn: str, role_name: str, action: str, resource_arn: str) -> bool:
    """Tell whether the policies of a role in the request's account allow an action on a resource."""
    context = iam_evaluator.EvalContext(
        principal_arn=principal_arn,
        principal_type="AssumedRole",
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource_arn,
        region=get_region(),
    )
    policies = iam_evaluator._gather_role_policies(role_name, get_account_id())
    return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")
