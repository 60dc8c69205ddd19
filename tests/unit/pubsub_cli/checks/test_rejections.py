"""Checks of requests that must be rejected."""

from __future__ import annotations

import pytest

from pubsub_cli.checks import rejections
from pubsub_cli.checks.rejections import UnsignedSocketIsRejected
from pubsub_cli.finding import Status
from pubsub_client._failures import UpgradeResponse
from tests.unit.pubsub_cli.checks.stubbed_aws import StubbedAws, run_check


@pytest.mark.parametrize(
    ("status", "expected"),
    [(403, Status.PASSED), (401, Status.PASSED), (101, Status.FAILED), (503, Status.UNKNOWN), (302, Status.UNKNOWN)],
)
async def test_only_a_rejection_of_the_unsigned_socket_passes(
    monkeypatch: pytest.MonkeyPatch, status: int, expected: Status
) -> None:
    monkeypatch.setattr(rejections, "request_upgrade", lambda *_: UpgradeResponse(status, ""))
    finding = await run_check(UnsignedSocketIsRejected, StubbedAws())
    assert finding.status is expected
    assert str(status) in str(finding.detail or finding.cause) or expected is Status.FAILED
