"""Whose an identity is, where the local cloud knows no such login or AWS IoT no such attachment."""

from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.checks.identity import IdentityIsSignedIn, PolicyIsOnIdentities
from pubsub_cli.finding import Finding, Status
from pubsub_cli.pool_users import PoolUser
from tests.unit.pubsub_cli.checks.answers import IDENTITY_POOL, REGION, USER_POOL, Answers, error, find

IDENTITY = f"{REGION}:11111111-0000-4000-8000-000000000000"
GONE = error("ResourceNotFoundException")


async def whose(identity: dict[str, Any], **left: Any) -> Finding:
    return await find(IdentityIsSignedIn, Answers(DescribeIdentity=identity), left={"identity_id": IDENTITY, **left})


@pytest.mark.parametrize(
    ("logins", "detail"),
    [
        ([f"cognito-idp.{REGION}.amazonaws.com/{USER_POOL}"], None),
        (["accounts.google.com"], f"by accounts.google.com, not by user pool {USER_POOL}"),
        (["login.example"], f"by login.example, not by user pool {USER_POOL}"),
    ],
)
async def test_whoever_has_a_login_is_no_guest(logins: list[str], detail: str | None) -> None:
    finding = await whose({"IdentityId": IDENTITY, "Logins": logins})
    assert (finding.status, finding.detail) == (Status.PASSED, detail)


async def test_without_any_login_it_is_a_guests() -> None:
    assert "is a guest's" in str((await whose({"IdentityId": IDENTITY})).cause)


async def test_nothing_is_attached_to_an_identity_that_is_gone() -> None:
    finding = await whose(GONE)
    assert finding.status is Status.FAILED
    assert not finding.commands
    assert IDENTITY not in str(finding.fix)


async def test_a_known_user_gets_the_policy_on_the_identity_of_the_next_sign_in() -> None:
    finding = await whose(GONE, pool_user=PoolUser("ada", enabled=True, status="CONFIRMED", attributes={}, marker=None))
    assert [str(each).split()[1] for each in finding.commands] == ["detach", "attach"]


async def of_pool(*attached_to: str, **left: Any) -> Finding:
    def attached(asked: dict[str, Any]) -> dict[str, Any]:
        return {"policies": [{"policyName": "myIoTPolicy"}] if asked["target"] in attached_to else []}

    return await find(PolicyIsOnIdentities, Answers(ListAttachedPolicies=attached), left=left)


async def test_an_attachment_to_the_pool_in_place_of_the_identity_fails() -> None:
    finding = await of_pool(IDENTITY_POOL, identity_id=IDENTITY)
    assert finding.status is Status.FAILED
    assert [str(each).split()[2] for each in finding.commands] == ["attach-policy", "detach-policy"]


async def test_an_attachment_to_the_pool_that_harms_nobody_asked_about_is_a_warning() -> None:
    for finding in (await of_pool(IDENTITY_POOL), await of_pool(IDENTITY_POOL, IDENTITY, identity_id=IDENTITY)):
        assert finding.status is Status.WARNING
        assert [str(each).split()[2] for each in finding.commands] == ["detach-policy"]
    assert (await of_pool(IDENTITY, identity_id=IDENTITY)).status is Status.PASSED
