"""States of the MAC key that the local cloud does not have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pubsub_cli.checks.internal_sign_in import MacKeyIsUsable
from pubsub_cli.finding import Status
from tests.unit.pubsub_cli.checks.answers import Answers, error, find, resources

KEY = {"KeyId": "key", "KeyState": "Enabled", "KeyUsage": "GENERATE_VERIFY_MAC", "KeySpec": "HMAC_256"}


@pytest.mark.parametrize(
    ("changes", "cause", "fix"),
    [
        ({"KeyState": "Disabled"}, "is disabled", ["enable-key"]),
        (
            {"KeyState": "PendingDeletion", "DeletionDate": datetime(2026, 1, 2, tzinfo=UTC)},
            "is pending deletion (2026-01-02 00:00 UTC)",
            ["cancel-key-deletion", "enable-key"],
        ),
        ({"KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT"}, "not HMAC_256", []),
        ({"KeyState": "Unavailable"}, "is Unavailable", []),
    ],
)
async def test_unusable_mac_key_is_named_with_its_state(changes: dict[str, Any], cause: str, fix: list[str]) -> None:
    aws = Answers(ListStackResources=resources(MacKey="AWS::KMS::Key"), DescribeKey={"KeyMetadata": KEY | changes})
    finding = await find(MacKeyIsUsable, aws)
    assert finding.status is Status.FAILED
    assert cause in str(finding.cause)
    assert [str(each).split()[2] for each in finding.commands] == fix
    assert not finding.safe_commands, "an operator may have disabled it to stop internal sign-ins"


async def test_mac_key_as_deployed_passes() -> None:
    aws = Answers(ListStackResources=resources(MacKey="AWS::KMS::Key"), DescribeKey={"KeyMetadata": KEY})
    assert (await find(MacKeyIsUsable, aws)).status is Status.PASSED


@pytest.mark.parametrize("listed", [{}, {"MacKey": "AWS::KMS::Key"}])
async def test_missing_mac_key_is_restored(listed: dict[str, str]) -> None:
    aws = Answers(ListStackResources=resources(**listed), DescribeKey=error("NotFoundException"))
    finding = await find(MacKeyIsUsable, aws)
    assert finding.status is Status.FAILED
    assert "cdk deploy --revert-drift" in str(finding.fix)
