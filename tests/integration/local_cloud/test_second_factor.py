from __future__ import annotations

from typing import Any

import pytest

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import sign_in
from tests.integration.local_cloud.user_pool import Pool, refusal

ON: Any = {"Enabled": True, "PreferredMfa": True}


@pytest.fixture(scope="module")
def pool(cloud: LocalCloud) -> Pool:
    pool = Pool(cloud)
    pool.allow_totp()
    return pool


def factors(pool: Pool, name: str) -> list[str]:
    user = pool.idp.admin_get_user(UserPoolId=pool.user_pool_id, Username=name)
    return list(user.get("UserMFASettingList", []))


def test_set_up_alone_nothing_is_asked_for(pool: Pool) -> None:
    name = pool.user()
    pool.set_up_totp(sign_in(pool.cloud, pool.client_id, name)["AccessToken"])
    assert factors(pool, name) == []
    assert "AuthenticationResult" in pool.give_password(name)


def test_turned_on_it_is_listed_and_asked_for(pool: Pool) -> None:
    name, _ = pool.user_with_totp()
    assert factors(pool, name) == ["SOFTWARE_TOKEN_MFA"]
    assert pool.give_password(name)["ChallengeName"] == "SOFTWARE_TOKEN_MFA"


def test_an_administrator_turns_on_what_is_set_up(pool: Pool) -> None:
    name = pool.user()
    pool.set_up_totp(sign_in(pool.cloud, pool.client_id, name)["AccessToken"])
    pool.idp.admin_set_user_mfa_preference(UserPoolId=pool.user_pool_id, Username=name, SoftwareTokenMfaSettings=ON)
    assert factors(pool, name) == ["SOFTWARE_TOKEN_MFA"]


def test_turned_off_it_is_not_asked_for(pool: Pool) -> None:
    name, _ = pool.user_with_totp()
    pool.idp.admin_set_user_mfa_preference(
        UserPoolId=pool.user_pool_id, Username=name, SoftwareTokenMfaSettings={"Enabled": False}
    )
    assert "AuthenticationResult" in pool.give_password(name)


def test_what_is_not_set_up_cannot_be_turned_on(pool: Pool) -> None:
    name = pool.user()
    access_token = sign_in(pool.cloud, pool.client_id, name)["AccessToken"]
    by_user = refusal(lambda: pool.idp.set_user_mfa_preference(AccessToken=access_token, SoftwareTokenMfaSettings=ON))
    by_administrator = refusal(
        lambda: pool.idp.admin_set_user_mfa_preference(
            UserPoolId=pool.user_pool_id, Username=name, SoftwareTokenMfaSettings=ON
        )
    )
    assert by_user == ("InvalidParameterException", "User has not set up software token mfa")
    assert by_administrator[0] == "InvalidParameterException"
    assert factors(pool, name) == []
