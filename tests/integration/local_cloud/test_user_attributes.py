"""User attributes that an app client may write and read, and user names in another case."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import (
    PASSWORD,
    make_app_client,
    make_user,
    make_user_pool,
    sign_in,
    unique,
)
from tests.integration.local_cloud.user_pool import Pool, error_of
from tests.tokens import claims

UNAUTHORIZED = "NotAuthorizedException.*A client attempted to write unauthorized attribute"
NOT_FOUND = ("UserNotFoundException", "User does not exist.")
SCHEMA = [{"Name": "marker", "Mutable": True, "AttributeDataType": "String"}]


@pytest.fixture(scope="module")
def user_pool_id(cloud: LocalCloud) -> str:
    """A user pool with a custom attribute."""
    return make_user_pool(cloud, {"Schema": SCHEMA})[0]


def attributes(**values: str) -> list[dict[str, str]]:
    return [{"Name": name.replace("custom_", "custom:"), "Value": value} for name, value in values.items()]


def sign_up(cloud: LocalCloud, client_id: str, **values: str) -> None:
    cloud.client("cognito-idp").sign_up(
        ClientId=client_id, Username=unique("user"), Password=PASSWORD, UserAttributes=attributes(**values)
    )


def tokens(cloud: LocalCloud, user_pool_id: str, **client: Any) -> dict[str, str]:
    """Sign in a user with every kind of attribute, on an app client with these settings."""
    values = {"email": "ada@example.com", "email_verified": "true", "nickname": "ada", "custom:marker": "set"}
    name = make_user(cloud, user_pool_id, **values)
    return sign_in(cloud, make_app_client(cloud, user_pool_id, **client), name)


def test_sign_up_writes_attributes_that_the_client_may_write(cloud: LocalCloud, user_pool_id: str) -> None:
    client_id = make_app_client(cloud, user_pool_id, WriteAttributes=["email", "custom:marker"])
    sign_up(cloud, client_id, email="ada@example.com", custom_marker="set")


def test_user_updates_only_what_the_app_client_may_write(cloud: LocalCloud, user_pool_id: str) -> None:
    idp = cloud.client("cognito-idp")
    token = tokens(cloud, user_pool_id, WriteAttributes=["email", "nickname"])["AccessToken"]
    idp.update_user_attributes(AccessToken=token, UserAttributes=attributes(nickname="countess"))
    with pytest.raises(ClientError, match=UNAUTHORIZED):
        idp.update_user_attributes(AccessToken=token, UserAttributes=attributes(custom_marker="forged"))


@pytest.mark.parametrize("forged", [{"custom_marker": "x"}, {"email_verified": "true"}, {"sub": "x"}], ids=str)
def test_app_client_without_write_attributes_writes_only_standard_ones(
    cloud: LocalCloud, user_pool_id: str, forged: dict[str, str]
) -> None:
    idp = cloud.client("cognito-idp")
    token = tokens(cloud, user_pool_id)["AccessToken"]
    idp.update_user_attributes(AccessToken=token, UserAttributes=attributes(nickname="countess"))
    with pytest.raises(ClientError, match=UNAUTHORIZED):
        idp.update_user_attributes(AccessToken=token, UserAttributes=attributes(**forged))


@pytest.mark.parametrize(
    ("client", "readable"),
    [
        ({"ReadAttributes": ["email"]}, {"sub", "email"}),
        ({"ReadAttributes": ["email", "custom:marker"]}, {"sub", "email", "custom:marker"}),
        ({}, {"sub", "email", "email_verified", "nickname"}),
    ],
    ids=["one", "with a custom one", "by default"],
)
def test_user_reads_only_what_the_app_client_may_read(
    cloud: LocalCloud, user_pool_id: str, client: dict[str, Any], readable: set[str]
) -> None:
    issued = tokens(cloud, user_pool_id, **client)
    user = cloud.client("cognito-idp").get_user(AccessToken=issued["AccessToken"])
    assert {attribute["Name"] for attribute in user["UserAttributes"]} == readable
    every = {"sub", "email", "nickname", "custom:marker"}
    assert claims(issued["IdToken"]).keys() & every == readable & every


@pytest.fixture(scope="module")
def pool(cloud: LocalCloud) -> Pool:
    """A user pool as the console creates it, with aliases."""
    return Pool(cloud, AliasAttributes=["email", "preferred_username"], UsernameConfiguration={"CaseSensitive": False})


@pytest.mark.parametrize("alias", ["email", "preferred_username"])
def test_alias_in_another_case_signs_in(pool: Pool, alias: str) -> None:
    value = f"{unique('Ada')}@Example.com"
    name = pool.user(**{alias: value, "email_verified": "true"})
    token = pool.give_password(value.lower())["AuthenticationResult"]["IdToken"]
    assert claims(token)["cognito:username"] == name


def test_unverified_address_is_no_alias(pool: Pool) -> None:
    value = f"{unique('Ada')}@Example.com"
    pool.user(email=value)
    assert error_of(lambda: pool.give_password(value.lower())) == NOT_FOUND


def test_administrator_finds_a_user_by_a_name_in_another_case(pool: Pool) -> None:
    name = pool.user()
    found = pool.idp.admin_get_user(UserPoolId=pool.user_pool_id, Username=name.upper())
    assert found["Username"] == name


def test_case_sensitive_pool_distinguishes_names_by_case(cloud: LocalCloud) -> None:
    pool = Pool(cloud)
    name = pool.user()
    assert error_of(lambda: pool.give_password(name.upper())) == NOT_FOUND
    pool.idp.admin_create_user(UserPoolId=pool.user_pool_id, Username=name.upper(), MessageAction="SUPPRESS")
