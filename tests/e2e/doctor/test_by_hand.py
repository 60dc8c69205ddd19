"""`pubsub doctor` by the ids of a deployment that somebody else has made."""

from __future__ import annotations

import pytest

from local_cloud.process import LocalCloud
from tests.e2e.doctor.by_hand import ByHand
from tests.e2e.doctor.running import run_doctor, run_fix


@pytest.fixture(scope="module")
def by_hand(account: LocalCloud) -> ByHand:
    return ByHand.on(account)


def test_nothing_is_found(by_hand: ByHand) -> None:
    report = run_doctor(by_hand.cloud, by_hand.asked())
    assert report.told == []
    assert {"PS111", "PS115", "PS116", "PS203", "PS401", "PS501"} <= report.passed


def test_what_is_not_attached_is_named_and_mended(by_hand: ByHand) -> None:
    by_hand.cloud.client("iot").detach_policy(policyName=by_hand.policy, target=by_hand.identity_id)
    _is_named_and_mended(by_hand, "PS203", f"{by_hand.policy} is not attached to the user's identity")


def test_a_policy_that_the_role_lacks_is_named_and_mended(by_hand: ByHand) -> None:
    by_hand.cloud.client("iam").detach_role_policy(
        RoleName=by_hand.role, PolicyArn="arn:aws:iam::aws:policy/AWSIoTDataAccess"
    )
    _is_named_and_mended(by_hand, "PS306", "iot:Connect")


def _is_named_and_mended(by_hand: ByHand, check_id: str, cause: str) -> None:
    report = run_doctor(by_hand.cloud, by_hand.asked())
    assert [each["id"] for each in report.bad] == [check_id], report.told
    (found,) = report.bad
    assert cause in found["cause"]
    run_fix(by_hand.cloud, found["fix"])
    assert run_doctor(by_hand.cloud, by_hand.asked()).told == []
