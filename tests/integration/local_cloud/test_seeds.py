from __future__ import annotations

import pytest

from tests.integration.local_cloud.account import ALLOW_IOT, Account, document, unique


def test_seeded_identities_are_listed_as_signed_in(account: Account) -> None:
    identity = account.cloud.client("cognito-identity")
    pool_id = account.make_identity_pool({"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"})
    seeded = account.cloud.seed_identities(pool_id, 50)
    listed = identity.list_identities(IdentityPoolId=pool_id, MaxResults=60)["Identities"]
    assert sorted(each["IdentityId"] for each in listed) == sorted(seeded)
    assert all(each["Logins"] == [account.provider_name] for each in listed)


def test_a_user_signs_in_beside_seeded_identities(account: Account) -> None:
    seeded = account.cloud.seed_identities(account.identity_pool_id, 50)
    assert account.user().identity_id not in seeded


def test_seeded_attachments_are_those_of_attach_policy(account: Account) -> None:
    iot, name = account.cloud.client("iot"), unique("policy")
    iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    seeded = account.cloud.seed_identities(account.identity_pool_id, 3)
    account.cloud.seed_attachments(name, seeded)
    assert iot.list_targets_for_policy(policyName=name)["targets"] == sorted(seeded)
    assert iot.list_attached_policies(target=seeded[0])["policies"][0]["policyName"] == name


def test_what_cannot_be_seeded_is_told(account: Account) -> None:
    policy = unique("policy")
    account.cloud.client("iot").create_policy(policyName=policy, policyDocument=document(ALLOW_IOT))
    with pytest.raises(ValueError, match="there is no identity pool 'us-east-1:nowhere'"):
        account.cloud.seed_identities("us-east-1:nowhere", 1)
    with pytest.raises(ValueError, match="Invalid Target"):
        account.cloud.seed_attachments(policy, ["somebody"])
