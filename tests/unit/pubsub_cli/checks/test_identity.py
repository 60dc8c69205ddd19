from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.checks.identity import IdentityIsSignedIn, PolicyIsOnIdentities
from pubsub_cli.finding import Finding, Status
from pubsub_cli.pool_users import PoolUser
from tests.unit.pubsub_cli.checks.answers import IDENTITY_POOL, REGION, USER_POOL, Answers, error, find

IDENTITY = f"{REGION}:11111111-0000-4000-8000-000000000000"
GONE = error("ResourceNotFoundException")


async def check_identity(identity: dict[str, Any], **left: Any) -> Finding:
    return await find(IdentityIsSignedIn, Answers(DescribeIdentity=identity), left={"identity_id": IDENTITY, **left})


@pytest.mark.parametrize(
    ("logins", "detail"),
    [
        ([f"cognito-idp.{REGION}.amazonaws.com/{USER_POOL}"], None),
        (["accounts.google.com"], f"by accounts.google.com, not by user pool {USER_POOL}"),
        (["login.example"], f"by login.example, not by user pool {USER_POOL}"),
    ],
)
async def test_identity_with_a_login_is_signed_in(logins: list[str], detail: str | None) -> None:
    finding = await check_identity({"IdentityId": IDENTITY, "Logins": logins})
    assert (finding.status, finding.detail) == (Status.PASSED, detail)


async def test_identity_without_a_login_is_a_guests() -> None:
    assert "belongs to a guest" in str((await check_identity({"IdentityId": IDENTITY})).cause)


async def test_deleted_identity_gets_no_attachment() -> None:
    finding = await check_identity(GONE)
    assert finding.status is Status.FAILED
    assert not finding.commands
    assert IDENTITY not in str(finding.fix)


async def test_attachment_of_a_known_user_moves_to_the_new_identity() -> None:
    finding = await check_identity(
        GONE, pool_user=PoolUser("ada", enabled=True, status="CONFIRMED", attributes={}, marker=None)
    )
    assert [str(each).split()[1] for each in finding.commands] == ["detach", "attach"]


async def check_pool(*attached_to: str, **left: Any) -> Finding:
    def attached(asked: dict[str, Any]) -> dict[str, Any]:
        return {"policies": [{"policyName": "myIoTPolicy"}] if asked["target"] in attached_to else []}

    return await find(PolicyIsOnIdentities, Answers(ListAttachedPolicies=attached), left=left)


async def test_attachment_to_the_pool_instead_of_the_identity_fails() -> None:
    finding = await check_pool(IDENTITY_POOL, identity_id=IDENTITY)
    assert finding.status is Status.FAILED
    assert [str(each).split()[2] for each in finding.commands] == ["attach-policy", "detach-policy"]


async def test_attachment_to_the_pool_that_affects_no_checked_user_is_a_warning() -> None:
    for finding in (await check_pool(IDENTITY_POOL), await check_pool(IDENTITY_POOL, IDENTITY, identity_id=IDENTITY)):
        assert finding.status is Status.WARNING
        assert [str(each).split()[2] for each in finding.commands] == ["detach-policy"]
    assert (await check_pool(IDENTITY, identity_id=IDENTITY)).status is Status.PASSED
