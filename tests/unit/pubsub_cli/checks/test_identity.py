from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from pubsub_cli.checks.identity import IdentityIsSignedIn, PolicyIsAttached, PolicyIsOnIdentities
from pubsub_cli.checks.options import UserSelector
from pubsub_cli.finding import Finding, OperationError, Status
from pubsub_cli.operations.identity import describe_identity
from pubsub_cli.pool_users import Marker, PoolUser
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.stubbed_aws import (
    IDENTITY_POOL,
    MANUAL,
    OUTPUTS,
    POOL,
    REGION,
    USER_POOL,
    StubbedAws,
    error,
    run_check,
)

IDENTITY = f"{REGION}:11111111-0000-4000-8000-000000000000"
GONE = error("ResourceNotFoundException")


def user(marker: Marker | None = None) -> PoolUser:
    return PoolUser("ada", enabled=True, status="CONFIRMED", attributes={}, marker=marker)


async def check_identity(identity: dict[str, Any], **fields: Any) -> Finding:
    return await run_check(
        IdentityIsSignedIn,
        StubbedAws(DescribeIdentity=identity, DescribeIdentityPool=GONE),
        fields={"identity_id": IDENTITY, **fields},
    )


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


async def test_identity_without_a_login_belongs_to_a_guest() -> None:
    assert "belongs to a guest" in str((await check_identity({"IdentityId": IDENTITY})).cause)


async def test_identity_of_another_region_is_named() -> None:
    finding = await check_identity(GONE, identity_id=f"us-east-1{IDENTITY.removeprefix(REGION)}")
    assert f"is in us-east-1, but the identity pool is in {REGION}" in str(finding.cause)
    assert "sign in" not in str(finding.fix)


async def test_deleted_identity_gets_no_attachment() -> None:
    finding = await check_identity(GONE)
    assert finding.status is Status.FAILED
    assert not finding.commands
    assert IDENTITY not in str(finding.fix)


async def test_attachment_of_a_known_user_moves_to_the_new_identity() -> None:
    finding = await check_identity(GONE, pool_user=user())
    assert [str(each).split()[1] for each in finding.commands] == ["detach", "attach"]


@pytest.mark.parametrize("given", [IDENTITY_POOL, f"{REGION}:22222222-0000-4000-8000-000000000000"])
async def test_id_of_an_identity_pool_is_reported_as_such(given: str) -> None:
    aws = StubbedAws(DescribeIdentity=GONE, DescribeIdentityPool=POOL)
    finding = await run_check(IdentityIsSignedIn, aws, fields={"identity_id": given})
    assert finding.status is Status.FAILED
    assert f"{given} is the id of an identity pool" in str(finding.cause)
    assert not finding.commands
    deployment = Mock(aws=aws, output=lambda name: OUTPUTS[name])
    with pytest.raises(OperationError, match="is the id of an identity pool"):
        describe_identity(deployment, given)


async def check_pool(*attached_to: str, **fields: Any) -> Finding:
    def attached(asked: dict[str, Any]) -> dict[str, Any]:
        return {"policies": [{"policyName": "myIoTPolicy"}] if asked["target"] in attached_to else []}

    return await run_check(PolicyIsOnIdentities, StubbedAws(ListAttachedPolicies=attached), fields=fields)


async def test_attachment_to_the_pool_instead_of_the_identity_fails() -> None:
    finding = await check_pool(IDENTITY_POOL, identity_id=IDENTITY)
    assert finding.status is Status.FAILED
    assert [str(each).split()[2] for each in finding.commands] == ["attach-policy", "detach-policy"]


async def test_attachment_to_the_pool_that_affects_no_checked_user_is_a_warning() -> None:
    for finding in (await check_pool(IDENTITY_POOL), await check_pool(IDENTITY_POOL, IDENTITY, identity_id=IDENTITY)):
        assert finding.status is Status.WARNING
        assert [str(each).split()[2] for each in finding.commands] == ["detach-policy"]
    assert (await check_pool(IDENTITY, identity_id=IDENTITY)).status is Status.PASSED


def counted(retry: int, dead: int) -> Any:
    """Return the answer that counts the messages of the queues."""
    counts = {"retry": retry, "dead": dead}
    return lambda asked: {"Attributes": {"ApproximateNumberOfMessages": str(counts[asked["QueueUrl"]])}}


@pytest.mark.parametrize(
    ("marked_identity", "retry", "dead", "cause", "fix"),
    [
        (IDENTITY, 0, 0, "It was detached manually", "pubsub attach --stack stack --user ada"),
        (f"{REGION}:old", 0, 0, "marker names the deleted identity", "pubsub detach --stack stack --user ada"),
        (None, 0, 2, "2 attachment(s) were moved to the dead-letter queue", "Find the reason"),
        (None, 3, 0, "3 pending attachment(s) are in the retry queue", "pubsub attach --stack stack --user ada"),
        (None, 0, 0, "unknown whether the user signed in since the deployment", "pubsub attach --stack stack"),
    ],
)
async def test_missing_policy_is_explained_by_marker_and_queues(
    marked_identity: str | None, retry: int, dead: int, cause: str, fix: str
) -> None:
    marker = Marker.now("fingerprint", marked_identity) if marked_identity else None
    finding = await run_check(
        PolicyIsAttached,
        StubbedAws(ListAttachedPolicies={"policies": []}, GetQueueAttributes=counted(retry, dead)),
        outputs={
            **OUTPUTS,
            Output.ATTACHMENT_MARKER: "fingerprint",
            Output.RETRY_QUEUE_URL: "retry",
            Output.DEAD_LETTER_QUEUE_URL: "dead",
        },
        selector=UserSelector("ada"),
        fields={"identity_id": IDENTITY, "pool_user": user(marker)},
    )
    assert finding.status is Status.FAILED
    assert cause in str(finding.cause)
    assert str(finding.fix).startswith(fix)


async def test_missing_policy_without_a_trigger_is_a_task_of_the_front_end() -> None:
    outputs = {name: value for name, value in OUTPUTS.items() if name != Output.POST_AUTHENTICATION_FUNCTION_NAME}
    aws = StubbedAws(ListAttachedPolicies={"policies": []})
    finding = await run_check(PolicyIsAttached, aws, outputs=outputs, fields={"identity_id": IDENTITY})
    assert "the front end must call the route" in str(finding.cause)
    assert [str(each).split()[2] for each in finding.safe_commands] == ["attach-policy"]


@pytest.mark.parametrize(
    ("others", "status", "cause"),
    [
        ([], Status.FAILED, "so AWS IoT refuses every connection"),
        (["Other"], Status.WARNING, "but other policies are, which PS307 evaluates: Other."),
        ([f"p{each}" for each in range(10)], Status.FAILED, "identity. 10 policies are attached already"),
    ],
)
async def test_other_policies_of_a_manual_deployment_can_allow(others: list[str], status: Status, cause: str) -> None:
    aws = StubbedAws(ListAttachedPolicies={"policies": [{"policyName": each} for each in others]})
    fields = {"identity_id": IDENTITY, "deployment_ids": MANUAL}
    finding = await run_check(PolicyIsAttached, aws, fields=fields)
    assert finding.status is status
    assert cause in str(finding.cause)
