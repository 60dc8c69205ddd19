from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from local_cloud.faults import FaultError
from tests.integration.local_cloud.account import ALLOW_IOT, Identity, document, unique
from tests.integration.local_cloud.mqtt import connected, websocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.local_cloud.account import Account

SECONDS = 1.5


@pytest.fixture
def slow_account(account: Account) -> Iterator[Account]:
    """The account on a cloud whose IoT policies act late."""
    account.cloud.policy_propagation_seconds = SECONDS
    yield account
    account.cloud.clear_faults()


def connects(account: Account, user: Identity) -> bool:
    with websocket(account.cloud, user.credentials) as mqtt:
        return mqtt.connect(unique("client")) == 0


def seconds_until(happens: Callable[[], bool], since: float) -> float:
    """Return how long after ``since`` it happened; asking goes on for a while."""
    while time.monotonic() < since + SECONDS + 20:
        if happens():
            return time.monotonic() - since
        time.sleep(0.05)
    pytest.fail("it did not happen")


def test_a_connect_is_refused_until_the_attachment_acts(slow_account: Account) -> None:
    user = slow_account.user()
    before = time.monotonic()
    slow_account.attach(user.identity_id, ALLOW_IOT)
    assert seconds_until(lambda: connects(slow_account, user), before) >= SECONDS


def test_publishing_by_https_is_refused_until_the_attachment_acts(slow_account: Account) -> None:
    user = slow_account.user()
    data = slow_account.client("iot-data", user.credentials)

    def publishes() -> bool:
        try:
            data.publish(topic="orders/1", payload=b"{}")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ForbiddenException":
                raise
            return False
        return True

    before = time.monotonic()
    slow_account.attach(user.identity_id, ALLOW_IOT)
    assert seconds_until(publishes, before) >= SECONDS


def test_a_policy_detached_and_deleted_acts_until_then(account: Account) -> None:
    user, iot, name = account.user(), account.cloud.client("iot"), unique("policy")
    iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    iot.attach_policy(policyName=name, target=user.identity_id)
    account.cloud.policy_propagation_seconds = SECONDS
    try:
        with connected(account.cloud, user.credentials, unique("client")) as mqtt:
            before = time.monotonic()
            iot.detach_policy(policyName=name, target=user.identity_id)
            iot.delete_policy(policyName=name)
            assert seconds_until(lambda: mqtt.publish("orders/1") is None, before) >= SECONDS
    finally:
        account.cloud.clear_faults()


def test_a_new_default_version_acts_after_the_delay(account: Account) -> None:
    user, iot, name = account.user(), account.cloud.client("iot"), unique("policy")
    deny = {"Effect": "Deny", "Action": "iot:*", "Resource": "*"}
    iot.create_policy(policyName=name, policyDocument=document(deny))
    iot.attach_policy(policyName=name, target=user.identity_id)
    account.cloud.policy_propagation_seconds = SECONDS
    try:
        before = time.monotonic()
        iot.create_policy_version(policyName=name, policyDocument=document(ALLOW_IOT), setAsDefault=True)
        assert seconds_until(lambda: connects(account, user), before) >= SECONDS
        before = time.monotonic()
        iot.set_default_policy_version(policyName=name, policyVersionId="1")
        assert seconds_until(lambda: not connects(account, user), before) >= SECONDS
    finally:
        account.cloud.clear_faults()


def test_clearing_lets_what_waited_act_at_once(slow_account: Account) -> None:
    slow_account.cloud.policy_propagation_seconds = 3600
    user = slow_account.user()
    slow_account.attach(user.identity_id, ALLOW_IOT)
    assert not connects(slow_account, user)
    slow_account.cloud.clear_faults()
    assert slow_account.cloud.policy_propagation_seconds == 0
    assert connects(slow_account, user)


def test_a_delay_that_is_none_is_refused(slow_account: Account) -> None:
    with pytest.raises(FaultError, match=r"^policy_propagation_seconds: allowed is a number of seconds"):
        slow_account.cloud.policy_propagation_seconds = -1
    assert slow_account.cloud.policy_propagation_seconds == SECONDS
