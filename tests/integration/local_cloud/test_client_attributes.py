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
from tests.tokens import claims

UNAUTHORIZED = "NotAuthorizedException.*A client attempted to write unauthorized attribute"
SCHEMA = [
    {"Name": "email", "Required": True, "Mutable": True, "AttributeDataType": "String"},
    {"Name": "marker", "Mutable": True, "AttributeDataType": "String"},
]


@pytest.fixture(scope="module")
def user_pool_id(cloud: LocalCloud) -> str:
    """A user pool with a required attribute and a custom one."""
    return make_user_pool(cloud, {"Schema": SCHEMA})[0]


def attributes(**values: str) -> list[dict[str, str]]:
    return [{"Name": name.replace("custom_", "custom:"), "Value": value} for name, value in values.items()]


def sign_up(cloud: LocalCloud, client_id: str, **values: str) -> None:
    cloud.client("cognito-idp").sign_up(
        ClientId=client_id, Username=unique("user"), Password=PASSWORD, UserAttributes=attributes(**values)
    )


def tokens(cloud: LocalCloud, user_pool_id: str, **client: Any) -> dict[str, str]:
    """Sign a user with every kind of attribute in, on a client of these settings."""
    values = {"email": "ada@example.com", "email_verified": "true", "nickname": "ada", "custom:marker": "set"}
    name = make_user(cloud, user_pool_id, **values)
    return sign_in(cloud, make_app_client(cloud, user_pool_id, **client), name)


def test_sign_up_writes_what_the_client_may_write(cloud: LocalCloud, user_pool_id: str) -> None:
    client_id = make_app_client(cloud, user_pool_id, WriteAttributes=["email", "custom:marker"])
    sign_up(cloud, client_id, email="ada@example.com", custom_marker="set")


def test_sign_up_refuses_a_user_without_a_required_attribute(cloud: LocalCloud, user_pool_id: str) -> None:
    with pytest.raises(ClientError, match=r"InvalidParameterException.*email: The attribute is required"):
        sign_up(cloud, make_app_client(cloud, user_pool_id), nickname="ada")


def test_an_e_mail_address_as_user_name_is_the_required_attribute(cloud: LocalCloud) -> None:
    pool = {"Schema": SCHEMA[:1], "UsernameAttributes": ["email"]}
    _, client_id = make_user_pool(cloud, pool)
    cloud.client("cognito-idp").sign_up(ClientId=client_id, Username=f"{unique('ada')}@example.com", Password=PASSWORD)


def test_a_user_updates_only_what_its_client_may_write(cloud: LocalCloud, user_pool_id: str) -> None:
    idp = cloud.client("cognito-idp")
    token = tokens(cloud, user_pool_id, WriteAttributes=["email", "nickname"])["AccessToken"]
    idp.update_user_attributes(AccessToken=token, UserAttributes=attributes(nickname="countess"))
    with pytest.raises(ClientError, match=UNAUTHORIZED):
        idp.update_user_attributes(AccessToken=token, UserAttributes=attributes(custom_marker="forged"))


@pytest.mark.parametrize("forged", [{"custom_marker": "x"}, {"email_verified": "true"}, {"sub": "x"}], ids=str)
def test_a_client_without_write_attributes_writes_standard_attributes_alone(
    cloud: LocalCloud, user_pool_id: str, forged: dict[str, str]
) -> None:
    idp = cloud.client("cognito-idp")
    token = tokens(cloud, user_pool_id)["AccessToken"]
    idp.update_user_attributes(AccessToken=token, UserAttributes=attributes(nickname="countess"))
    with pytest.raises(ClientError, match=UNAUTHORIZED):
        idp.update_user_attributes(AccessToken=token, UserAttributes=attributes(**forged))


@pytest.mark.parametrize(
    ("client", "shown"),
    [
        ({"ReadAttributes": ["email"]}, {"sub", "email"}),
        ({"ReadAttributes": ["email", "custom:marker"]}, {"sub", "email", "custom:marker"}),
        ({}, {"sub", "email", "email_verified", "nickname"}),
    ],
    ids=["one", "with a custom one", "by default"],
)
def test_a_user_sees_what_its_client_may_read(
    cloud: LocalCloud, user_pool_id: str, client: dict[str, Any], shown: set[str]
) -> None:
    issued = tokens(cloud, user_pool_id, **client)
    user = cloud.client("cognito-idp").get_user(AccessToken=issued["AccessToken"])
    assert {attribute["Name"] for attribute in user["UserAttributes"]} == shown
    every = {"sub", "email", "nickname", "custom:marker"}
    assert claims(issued["IdToken"]).keys() & every == shown & every
