from __future__ import annotations

import pytest
from pycognito.aws_srp import AWSSRP

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import PASSWORD, unique
from tests.integration.local_cloud.user_pool import Pool, refusal
from tests.tokens import claims

NOT_FOUND = ("UserNotFoundException", "User does not exist.")


@pytest.fixture(scope="module")
def pool(cloud: LocalCloud) -> Pool:
    """A user pool as the console makes it, whose users also sign in by e-mail address and preferred name."""
    return Pool(cloud, AliasAttributes=["email", "preferred_username"], UsernameConfiguration={"CaseSensitive": False})


def test_a_name_in_another_case_signs_the_same_user_in(pool: Pool) -> None:
    name = pool.user()
    token = pool.give_password(name.upper())["AuthenticationResult"]["IdToken"]
    assert claims(token)["cognito:username"] == name


def test_srp_works_in_another_case(pool: Pool) -> None:
    name = pool.user()
    srp = AWSSRP(name.title(), PASSWORD, pool.user_pool_id, pool.client_id, client=pool.idp)
    token = srp.authenticate_user()["AuthenticationResult"]["IdToken"]
    assert claims(token)["cognito:username"] == name


@pytest.mark.parametrize("alias", ["email", "preferred_username"])
def test_an_alias_in_another_case_signs_in(pool: Pool, alias: str) -> None:
    value = f"{unique('Ada')}@Example.com"
    name = pool.user(**{alias: value, "email_verified": "true"})
    token = pool.give_password(value.lower())["AuthenticationResult"]["IdToken"]
    assert claims(token)["cognito:username"] == name


def test_an_unverified_address_is_no_alias_in_any_case(pool: Pool) -> None:
    value = f"{unique('Ada')}@Example.com"
    pool.user(email=value)
    assert refusal(lambda: pool.give_password(value.lower())) == NOT_FOUND


def test_administrators_find_the_user_too_under_the_users_own_name(pool: Pool) -> None:
    name = pool.user()
    found = pool.idp.admin_get_user(UserPoolId=pool.user_pool_id, Username=name.upper())
    assert found["Username"] == name


def test_no_other_user_can_have_the_name_in_another_case(pool: Pool) -> None:
    other = pool.user().upper()
    made = refusal(lambda: pool.idp.admin_create_user(UserPoolId=pool.user_pool_id, Username=other))
    signed_up = refusal(lambda: pool.idp.sign_up(ClientId=pool.client_id, Username=other, Password=PASSWORD))
    assert {made[0], signed_up[0]} == {"UsernameExistsException"}


def test_in_a_case_sensitive_pool_which_is_the_default_they_are_two(cloud: LocalCloud) -> None:
    pool = Pool(cloud)
    name = pool.user()
    assert refusal(lambda: pool.give_password(name.upper())) == NOT_FOUND
    pool.idp.admin_create_user(UserPoolId=pool.user_pool_id, Username=name.upper(), MessageAction="SUPPRESS")
