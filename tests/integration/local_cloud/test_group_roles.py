"""Which role's credentials an identity gets, as STS tells it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import Account, Credentials, Identity, make_user, sign_in
from tests.tokens import claims

BY_TOKEN = {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"}


def test_of_two_groups_the_one_with_the_lower_precedence_decides(account: Account) -> None:
    second, first = account.make_group(precedence=2), account.make_group(precedence=1)
    pool_id = account.make_identity_pool(BY_TOKEN)
    user = account.user(groups=[second.name, first.name], identity_pool_id=pool_id)
    assert account.role_of(user) == first.role


def test_a_user_of_no_group_gets_the_authenticated_role(account: Account) -> None:
    pool_id = account.make_identity_pool(BY_TOKEN)
    assert account.role_of(account.user(identity_pool_id=pool_id)) == account.authenticated_role(pool_id)


@pytest.mark.parametrize("resolution", ["AuthenticatedRole", "Deny"])
def test_two_groups_that_both_come_first_are_ambiguous(account: Account, resolution: str) -> None:
    groups = [account.make_group(precedence=1).name for _ in range(2)]
    pool_id = account.make_identity_pool({"Type": "Token", "AmbiguousRoleResolution": resolution})
    if resolution == "Deny":
        with pytest.raises(ClientError, match="NotAuthorizedException"):
            account.user(groups=groups, identity_pool_id=pool_id)
    else:
        user = account.user(groups=groups, identity_pool_id=pool_id)
        assert account.role_of(user) == account.authenticated_role(pool_id)


def test_a_user_may_choose_another_role_of_the_token_and_no_other(account: Account) -> None:
    first, second, other = (account.make_group(precedence=number) for number in (1, 2, 3))
    pool_id = account.make_identity_pool(BY_TOKEN | {"AmbiguousRoleResolution": "Deny"})
    mine = [first.name, second.name]
    user = account.user(groups=mine, identity_pool_id=pool_id, custom_role_arn=second.role_arn)
    assert account.role_of(user) == second.role
    with pytest.raises(ClientError, match="NotAuthorizedException"):
        account.user(groups=mine, identity_pool_id=pool_id, custom_role_arn=other.role_arn)


def test_rules_look_at_claims(account: Account) -> None:
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


def test_the_id_token_names_the_roles_and_the_access_token_does_not(account: Account) -> None:
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
