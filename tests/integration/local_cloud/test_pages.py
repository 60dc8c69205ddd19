"""Pages of identities and targets; ``tests/unit/local_cloud/test_paging.py`` tests the paging itself."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import ALLOW_IOT, Account, make_iot_policy, make_user, sign_in, unique


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


@pytest.fixture
def iot(account: Account) -> Any:
    return account.cloud.client("iot")


def _ids(identities: list[dict[str, Any]]) -> list[str]:
    return [each["IdentityId"] for each in identities]


def _all_identities(identity: Any, pool_id: str, **request: Any) -> list[dict[str, Any]]:
    """Return the identities from pages of two, after a token if one is given."""
    found: list[dict[str, Any]] = []
    while True:
        page = identity.list_identities(IdentityPoolId=pool_id, MaxResults=2, **request)
        assert len(page["Identities"]) <= 2
        found += page["Identities"]
        if "NextToken" not in page:
            return found
        request["NextToken"] = page["NextToken"]


def _listed(identity: Any, pool_id: str, identity_id: str) -> dict[str, Any]:
    return next(each for each in _all_identities(identity, pool_id) if each["IdentityId"] == identity_id)


def test_identity_page_needs_a_token_of_its_pool_and_at_most_60(account: Account, identity: Any, pool_id: str) -> None:
    for _ in range(2):
        account.guest()
    other = identity.list_identities(IdentityPoolId=account.guest_identity_pool_id, MaxResults=1)["NextToken"]
    for invalid in ({"MaxResults": 1, "NextToken": other}, {"MaxResults": 61}):
        with pytest.raises(ClientError, match="InvalidParameterException"):
            identity.list_identities(IdentityPoolId=pool_id, **invalid)


def test_guest_who_signs_in_has_a_login_and_a_later_date(account: Account, identity: Any) -> None:
    pool_id, guest = account.guest_identity_pool_id, account.guest().identity_id
    assert _listed(identity, pool_id, guest)["Logins"] == []
    before = _listed(identity, pool_id, guest)["LastModifiedDate"]
    token = sign_in(account.cloud, account.client_id, make_user(account.cloud, account.user_pool_id))["IdToken"]
    identity.get_credentials_for_identity(IdentityId=guest, Logins={account.provider_name: token})
    assert _listed(identity, pool_id, guest)["Logins"] == [account.provider_name]
    assert _listed(identity, pool_id, guest)["LastModifiedDate"] > before


def test_guest_identity_merged_into_a_user_is_disabled(account: Account, identity: Any) -> None:
    pool_id = account.guest_identity_pool_id
    token = sign_in(account.cloud, account.client_id, make_user(account.cloud, account.user_pool_id))["IdToken"]
    logins = {account.provider_name: token}
    user, guest = identity.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"], account.guest().identity_id
    assert identity.get_credentials_for_identity(IdentityId=guest, Logins=logins)["IdentityId"] == user
    assert _listed(identity, pool_id, guest)["Logins"][0] == "DISABLED"
    assert guest not in _ids(_all_identities(identity, pool_id, HideDisabled=True))


def test_seeded_identities_are_listed_as_signed_in(account: Account, identity: Any) -> None:
    pool_id = account.make_identity_pool({"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"})
    seeded = account.cloud.seed_identities(pool_id, 50)
    listed = _all_identities(identity, pool_id)
    assert sorted(_ids(listed)) == sorted(seeded)
    assert all(each["Logins"] == [account.provider_name] for each in listed)
    assert account.user(identity_pool_id=pool_id).identity_id not in seeded


def _new_policy(account: Account, targets: int) -> str:
    """Create a policy with so many targets and return its name."""
    return make_iot_policy(account.cloud, ALLOW_IOT, targets=[f"us-east-1:{uuid.uuid4()}" for _ in range(targets)])


def test_target_page_has_25_targets_by_default_and_at_most_250(account: Account, iot: Any) -> None:
    name = _new_policy(account, 26)
    assert len(iot.list_targets_for_policy(policyName=name)["targets"]) == 25
    assert len(iot.list_targets_for_policy(policyName=name, pageSize=250)["targets"]) == 26
    with pytest.raises(ClientError, match="InvalidRequestException"):
        iot.list_targets_for_policy(policyName=name, pageSize=251)


def test_marker_of_another_policy_is_rejected(account: Account, iot: Any) -> None:
    name, other = _new_policy(account, 2), _new_policy(account, 2)
    marker = iot.list_targets_for_policy(policyName=name, pageSize=1)["nextMarker"]
    with pytest.raises(ClientError, match="InvalidRequestException"):
        iot.list_targets_for_policy(policyName=other, pageSize=1, marker=marker)


def test_seeded_attachments_are_listed(account: Account, iot: Any) -> None:
    name = _new_policy(account, 0)
    seeded = account.cloud.seed_identities(account.identity_pool_id, 3)
    account.cloud.seed_attachments(name, seeded)
    assert iot.list_targets_for_policy(policyName=name)["targets"] == sorted(seeded)
    assert iot.list_attached_policies(target=seeded[0])["policies"][0]["policyName"] == name
    with pytest.raises(ValueError, match="identity pool 'us-east-1:nowhere' does not exist"):
        account.cloud.seed_identities("us-east-1:nowhere", 1)
    with pytest.raises(ValueError, match="Invalid Target"):
        account.cloud.seed_attachments(name, ["invalid"])
