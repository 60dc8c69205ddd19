from __future__ import annotations

from typing import Any

import pytest

from tests.integration.local_cloud.account import ALLOW_IOT, Account, document, make_role, unique

LAMBDA = {"Service": "lambda.amazonaws.com"}


def simulate(account: Account, role_arn: str, action: str, *resources: str, **options: Any) -> Any:
    answer = account.cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=role_arn,
        ActionNames=[action],
        ResourceArns=[account.arn(each) for each in resources],
        **options,
    )
    (result,) = answer["EvaluationResults"]
    return result


def test_role_without_a_boundary_may_do_what_its_policies_allow(account: Account) -> None:
    result = simulate(account, make_role(account.cloud, ALLOW_IOT, trusts=LAMBDA), "iot:Connect", "client/any")
    assert result["EvalDecision"] == "allowed"
    assert "PermissionsBoundaryDecisionDetail" not in result


def test_action_on_several_resources_has_the_severest_decision(account: Account) -> None:
    deny = {"Effect": "Deny", "Action": "iot:Publish", "Resource": account.arn("topic/closed")}
    role = make_role(account.cloud, ALLOW_IOT, deny, trusts=LAMBDA)
    result = simulate(account, role, "iot:Publish", "topic/open", "topic/closed")
    assert result["EvalDecision"] == "explicitDeny"
    each = {one["EvalResourceName"]: one["EvalResourceDecision"] for one in result["ResourceSpecificResults"]}
    assert each == {account.arn("topic/open"): "allowed", account.arn("topic/closed"): "explicitDeny"}


def test_context_counts(account: Account) -> None:
    condition = {"StringEquals": {"cognito-identity.amazonaws.com:aud": "pool"}}
    role = make_role(account.cloud, ALLOW_IOT | {"Condition": condition}, trusts=LAMBDA)
    entry = {
        "ContextKeyName": "cognito-identity.amazonaws.com:aud",
        "ContextKeyType": "string",
        "ContextKeyValues": ["pool"],
    }
    assert simulate(account, role, "iot:Connect", "client/a")["EvalDecision"] == "implicitDeny"
    assert simulate(account, role, "iot:Connect", "client/a", ContextEntries=[entry])["EvalDecision"] == "allowed"


def test_role_with_a_path_is_found(account: Account) -> None:
    iam, name = account.cloud.client("iam"), unique("role")
    trust = document({"Effect": "Allow", "Principal": LAMBDA, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName=name, Path="/signed-in/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="allow", PolicyDocument=document(ALLOW_IOT))
    assert simulate(account, role, "iot:Connect", "client/any")["EvalDecision"] == "allowed"


def test_missing_role_is_not_found(account: Account) -> None:
    iam = account.cloud.client("iam")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        simulate(account, f"arn:aws:iam::{account.cloud.account_id}:role/nobody", "iot:Connect", "client/any")
