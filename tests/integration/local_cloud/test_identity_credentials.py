from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import Account, Credentials, Identity, document, make_user, sign_in, unique
from tests.tokens import claims

REFUSAL = r"InvalidIdentityPoolConfigurationException.*Check assigned IAM roles for this pool\."
SERVICE = "cognito-identity.amazonaws.com"
BY_TOKEN = {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"}


def test_group_with_the_lowest_precedence_decides_the_role(account: Account) -> None:
    second, first = account.make_group(precedence=2), account.make_group(precedence=1)
    pool_id = account.make_identity_pool(BY_TOKEN)
    user = account.user(groups=[second.name, first.name], identity_pool_id=pool_id)
    assert account.role_of(user) == first.role


@pytest.mark.parametrize("resolution", ["AuthenticatedRole", "Deny"])
def test_groups_of_the_same_precedence_are_ambiguous(account: Account, resolution: str) -> None:
    groups = [account.make_group(precedence=1).name for _ in range(2)]
    pool_id = account.make_identity_pool({"Type": "Token", "AmbiguousRoleResolution": resolution})
    if resolution == "Deny":
        with pytest.raises(ClientError, match="NotAuthorizedException"):
            account.user(groups=groups, identity_pool_id=pool_id)
    else:
        user = account.user(groups=groups, identity_pool_id=pool_id)
        assert account.role_of(user) == account.authenticated_role(pool_id)


def test_rules_compare_claims(account: Account) -> None:
    role_arn, client_id = account.make_group().role_arn, account.client_id
    pool_id = account.make_identity_pool()
    identities = account.cloud.client("cognito-identity")
    name = make_user(account.cloud, account.user_pool_id)
    logins = {account.provider_name: sign_in(account.cloud, client_id, name)["IdToken"]}
    identity_id = identities.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"]
    roles = identities.get_identity_pool_roles(IdentityPoolId=pool_id)["Roles"]

    def matches(claim: str, match_type: str, value: str) -> bool:
        rule = {"Claim": claim, "MatchType": match_type, "Value": value, "RoleARN": role_arn}
        mapping = {
            "Type": "Rules",
            "AmbiguousRoleResolution": "AuthenticatedRole",
            "RulesConfiguration": {"Rules": [rule]},
        }
        identities.set_identity_pool_roles(
            IdentityPoolId=pool_id, Roles=roles, RoleMappings={f"{account.provider_name}:{client_id}": mapping}
        )
        given = identities.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)["Credentials"]
        credentials = Credentials(given["AccessKeyId"], given["SecretKey"], given["SessionToken"])
        role = account.role_of(Identity(identity_id, credentials))
        assert role in {role_arn.rpartition("/")[2], roles["authenticated"].rpartition("/")[2]}
        return role == role_arn.rpartition("/")[2]

    assert matches("aud", "Equals", client_id)
    assert not matches("aud", "Equals", client_id[:5])
    assert matches("aud", "StartsWith", client_id[:5])
    assert not matches("aud", "StartsWith", client_id[5:])
    assert matches("aud", "Contains", client_id[2:5])
    assert matches("aud", "NotEqual", client_id[:5])
    assert not matches("aud", "NotEqual", client_id)
    assert not matches("nickname", "NotEqual", client_id)


def test_id_token_contains_the_roles_and_the_access_token_does_not(account: Account) -> None:
    first, second = account.make_group(precedence=1), account.make_group(precedence=2)
    idp = account.cloud.client("cognito-idp")
    name = make_user(account.cloud, account.user_pool_id)
    for group in (first, second):
        idp.admin_add_user_to_group(UserPoolId=account.user_pool_id, Username=name, GroupName=group.name)
    tokens = sign_in(account.cloud, account.client_id, name)
    claimed: dict[str, Any] = claims(tokens["IdToken"])
    assert sorted(claimed["cognito:roles"]) == sorted([first.role_arn, second.role_arn])
    assert claimed["cognito:preferred_role"] == first.role_arn
    assert "cognito:roles" not in claims(tokens["AccessToken"])


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


def test_role_can_trust_the_authenticated_users_of_one_identity_pool(account: Account) -> None:
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
def test_role_that_does_not_trust_the_identity_is_rejected(account: Account, conditions: dict[str, Any]) -> None:
    pool_id = account.make_identity_pool()
    trust(account, pool_id, conditions)
    with pytest.raises(ClientError, match=REFUSAL):
        account.user(identity_pool_id=pool_id)


def test_missing_role_is_rejected(account: Account) -> None:
    pool_id = account.make_identity_pool()
    missing = f"arn:aws:iam::{account.cloud.account_id}:role/{unique('missing')}"
    account.cloud.client("cognito-identity").set_identity_pool_roles(
        IdentityPoolId=pool_id, Roles={"authenticated": missing}
    )
    with pytest.raises(ClientError, match=REFUSAL):
        account.user(identity_pool_id=pool_id)


@pytest.mark.parametrize(
    ("operation_name", "checks_tokens"),
    [
        ("admin_user_global_sign_out", True),
        ("admin_disable_user", True),
        ("admin_delete_user", True),
        ("admin_user_global_sign_out", False),
    ],
)
def test_token_check_rejects_tokens_of_users_who_are_signed_out(
    account: Account, operation_name: str, *, checks_tokens: bool
) -> None:
    identities, users = account.cloud.client("cognito-identity"), account.cloud.client("cognito-idp")
    pool_id = account.make_identity_pool(checks_tokens=checks_tokens)
    name = make_user(account.cloud, account.user_pool_id)
    logins = {account.provider_name: sign_in(account.cloud, account.client_id, name)["IdToken"]}
    identity_id = identities.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"]
    operations = (identities.get_credentials_for_identity, identities.get_open_id_token)
    for operation in operations:
        operation(IdentityId=identity_id, Logins=logins)
    getattr(users, operation_name)(UserPoolId=account.user_pool_id, Username=name)
    for operation in operations:
        if checks_tokens:
            with pytest.raises(ClientError, match=r"NotAuthorizedException.*Invalid login token"):
                operation(IdentityId=identity_id, Logins=logins)
        else:
            operation(IdentityId=identity_id, Logins=logins)
