from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import Account, document, unique

REFUSAL = r"InvalidIdentityPoolConfigurationException.*Check assigned IAM roles for this pool\."
SERVICE = "cognito-identity.amazonaws.com"


def trust(account: Account, identity_pool_id: str, conditions: dict[str, Any]) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": SERVICE},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": conditions,
    }
    account.cloud.client("iam").update_assume_role_policy(
        RoleName=account.authenticated_role(identity_pool_id), PolicyDocument=document(statement)
    )


def test_a_role_may_trust_the_signed_in_users_of_one_identity_pool(account: Account) -> None:
    pool_id = account.make_identity_pool()
    trust(
        account,
        pool_id,
        {
            "StringEquals": {f"{SERVICE}:aud": pool_id},
            "ForAnyValue:StringLike": {f"{SERVICE}:amr": "authenticated"},
        },
    )
    assert account.role_of(account.user(identity_pool_id=pool_id)) == account.authenticated_role(pool_id)


@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param({"StringEquals": {f"{SERVICE}:aud": "us-east-1:another"}}, id="another identity pool"),
        pytest.param({"ForAnyValue:StringLike": {f"{SERVICE}:amr": "unauthenticated"}}, id="guests"),
        pytest.param({"StringEquals": {f"{SERVICE}:sub": "us-east-1:another"}}, id="another identity"),
    ],
)
def test_a_role_that_trusts_others_is_refused(account: Account, conditions: dict[str, Any]) -> None:
    pool_id = account.make_identity_pool()
    trust(account, pool_id, conditions)
    with pytest.raises(ClientError, match=REFUSAL):
        account.user(identity_pool_id=pool_id)


def test_a_role_that_is_not_there_is_refused(account: Account) -> None:
    pool_id = account.make_identity_pool()
    missing = f"arn:aws:iam::{account.cloud.account_id}:role/{unique('missing')}"
    account.cloud.client("cognito-identity").set_identity_pool_roles(
        IdentityPoolId=pool_id, Roles={"authenticated": missing}
    )
    with pytest.raises(ClientError, match=REFUSAL):
        account.user(identity_pool_id=pool_id)
