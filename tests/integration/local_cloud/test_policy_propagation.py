from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError

from local_cloud.faults import FaultError
from tests.integration.local_cloud.account import ALLOW_IOT, Account, Identity, document, unique
from tests.integration.local_cloud.mqtt import connected, websocket

AN_HOUR = 3600.0


@pytest.fixture
def slow_account(account: Account) -> Iterator[Account]:
    """The account on a cloud whose IoT policies act in an hour, or when the delay is set anew."""
    account.cloud.policy_propagation_seconds = AN_HOUR
    yield account
    account.cloud.clear_faults()


def connects(account: Account, user: Identity) -> bool:
    with websocket(account.cloud, user.credentials) as mqtt:
        return mqtt.connect(unique("client")) == 0


def publishes(account: Account, user: Identity) -> bool:
    try:
        account.client("iot-data", user.credentials).publish(topic="orders/1", payload=b"{}")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ForbiddenException":
            raise
        return False
    return True


def test_an_attachment_acts_after_the_delay(slow_account: Account) -> None:
    slow_account.cloud.policy_propagation_seconds = 0.5
    user, before = slow_account.user(), time.monotonic()
    slow_account.attach(user.identity_id, ALLOW_IOT)
    while not connects(slow_account, user):
        assert time.monotonic() < before + 20
        time.sleep(0.1)
    assert time.monotonic() - before >= 0.5


@pytest.mark.parametrize("allows", [connects, publishes])
def test_an_attachment_that_waits_acts_when_the_delay_is_cleared(
    slow_account: Account, allows: Callable[[Account, Identity], bool]
) -> None:
    user = slow_account.user()
    slow_account.attach(user.identity_id, ALLOW_IOT)
    assert not allows(slow_account, user)
    slow_account.cloud.clear_faults()
    assert slow_account.cloud.policy_propagation_seconds == 0
    assert allows(slow_account, user)


def test_a_policy_detached_and_deleted_acts_until_then(account: Account) -> None:
    user, iot, name = account.user(), account.cloud.client("iot"), unique("policy")
    iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    iot.attach_policy(policyName=name, target=user.identity_id)
    account.cloud.policy_propagation_seconds = AN_HOUR
    try:
        with connected(account.cloud, user.credentials, unique("client")) as mqtt:
            iot.detach_policy(policyName=name, target=user.identity_id)
            iot.delete_policy(policyName=name)
            assert mqtt.publish("orders/1") == 0
            account.cloud.clear_faults()
            assert mqtt.publish("orders/1") is None
    finally:
        account.cloud.clear_faults()


def test_a_new_default_version_waits(account: Account) -> None:
    user, iot, name = account.user(), account.cloud.client("iot"), unique("policy")
    deny = {"Effect": "Deny", "Action": "iot:*", "Resource": "*"}
    iot.create_policy(policyName=name, policyDocument=document(deny))
    iot.attach_policy(policyName=name, target=user.identity_id)
    try:
        account.cloud.policy_propagation_seconds = AN_HOUR
        iot.create_policy_version(policyName=name, policyDocument=document(ALLOW_IOT), setAsDefault=True)
        assert not connects(account, user)
        account.cloud.policy_propagation_seconds = AN_HOUR  # set anew
        assert connects(account, user)
        iot.set_default_policy_version(policyName=name, policyVersionId="1")
        assert connects(account, user)
        account.cloud.clear_faults()
        assert not connects(account, user)
    finally:
        account.cloud.clear_faults()


def test_a_delay_that_is_none_is_refused(slow_account: Account) -> None:
    with pytest.raises(FaultError, match=r"^policy_propagation_seconds: allowed is a number of seconds"):
        slow_account.cloud.policy_propagation_seconds = -1
    assert slow_account.cloud.policy_propagation_seconds == AN_HOUR
