from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import Account, make_user, sign_in, unique


@pytest.fixture
def pool_id(account: Account) -> str:
    """An identity pool without identities."""
    pool = account.cloud.client("cognito-identity").create_identity_pool(
        IdentityPoolName=unique("pool"), AllowUnauthenticatedIdentities=True
    )
    return str(pool["IdentityPoolId"])


@pytest.fixture
def identity(account: Account) -> Any:
    return account.cloud.client("cognito-identity")


def ids(identities: list[dict[str, Any]]) -> list[str]:
    return [each["IdentityId"] for each in identities]


def all_identities(identity: Any, pool_id: str, **request: Any) -> list[dict[str, Any]]:
    """Return what the pages of two hold, from a token on if one is given."""
    found: list[dict[str, Any]] = []
    while True:
        page = identity.list_identities(IdentityPoolId=pool_id, MaxResults=2, **request)
        assert len(page["Identities"]) <= 2
        found += page["Identities"]
        if "NextToken" not in page:
            return found
        request["NextToken"] = page["NextToken"]


def listed(identity: Any, pool_id: str, identity_id: str) -> dict[str, Any]:
    return next(each for each in all_identities(identity, pool_id) if each["IdentityId"] == identity_id)


def test_the_pages_hold_each_identity_once(identity: Any, pool_id: str) -> None:
    made = {identity.get_id(IdentityPoolId=pool_id)["IdentityId"] for _ in range(6)}
    found = ids(all_identities(identity, pool_id))
    assert len(found) == 6
    assert set(found) == made


def test_identities_made_and_deleted_meanwhile_move_no_other(identity: Any, pool_id: str) -> None:
    made = {identity.get_id(IdentityPoolId=pool_id)["IdentityId"] for _ in range(6)}
    page = identity.list_identities(IdentityPoolId=pool_id, MaxResults=3)
    seen = ids(page["Identities"])
    identity.delete_identities(IdentityIdsToDelete=seen)
    meanwhile = {identity.get_id(IdentityPoolId=pool_id)["IdentityId"] for _ in range(3)}
    rest = ids(all_identities(identity, pool_id, NextToken=page["NextToken"]))
    assert len(rest) == len(set(rest))
    assert set(rest) - meanwhile == made - set(seen)


@pytest.mark.parametrize("token", ["5", "not a token", "AAAA"])
def test_a_token_that_was_not_given_out_is_refused(identity: Any, pool_id: str, token: str) -> None:
    with pytest.raises(ClientError, match="InvalidParameterException"):
        identity.list_identities(IdentityPoolId=pool_id, MaxResults=2, NextToken=token)


def test_a_token_of_another_pool_is_refused(account: Account, identity: Any, pool_id: str) -> None:
    for _ in range(2):
        account.guest()
    other = identity.list_identities(IdentityPoolId=account.guest_identity_pool_id, MaxResults=1)["NextToken"]
    with pytest.raises(ClientError, match="InvalidParameterException"):
        identity.list_identities(IdentityPoolId=pool_id, MaxResults=1, NextToken=other)


def test_a_page_has_60_identities_at_most(identity: Any, pool_id: str) -> None:
    with pytest.raises(ClientError, match="InvalidParameterException"):
        identity.list_identities(IdentityPoolId=pool_id, MaxResults=61)


def test_a_guest_who_becomes_a_user_is_listed_with_the_login_and_a_later_date(account: Account, identity: Any) -> None:
    pool_id, guest = account.guest_identity_pool_id, account.guest().identity_id
    assert listed(identity, pool_id, guest)["Logins"] == []
    made = listed(identity, pool_id, guest)["LastModifiedDate"]
    token = sign_in(account.cloud, account.client_id, make_user(account.cloud, account.user_pool_id))["IdToken"]
    identity.get_credentials_for_identity(IdentityId=guest, Logins={account.provider_name: token})
    assert listed(identity, pool_id, guest)["Logins"] == [account.provider_name]
    assert listed(identity, pool_id, guest)["LastModifiedDate"] > made


def test_a_guest_who_signs_in_as_a_user_with_an_identity_is_disabled(account: Account, identity: Any) -> None:
    pool_id = account.guest_identity_pool_id
    token = sign_in(account.cloud, account.client_id, make_user(account.cloud, account.user_pool_id))["IdToken"]
    logins = {account.provider_name: token}
    user, guest = identity.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"], account.guest().identity_id
    assert identity.get_credentials_for_identity(IdentityId=guest, Logins=logins)["IdentityId"] == user
    assert listed(identity, pool_id, guest)["Logins"][0] == "DISABLED"
    assert guest not in ids(all_identities(identity, pool_id, HideDisabled=True))
