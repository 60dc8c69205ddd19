from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import ALLOW_IOT, Account


def test_publishing_by_https_needs_an_attached_policy(account: Account) -> None:
    user = account.user()
    data = account.client("iot-data", user.credentials)
    with pytest.raises(ClientError, match="Forbidden"):
        data.publish(topic="orders/1", payload=b"{}")
    account.attach(user.identity_id, ALLOW_IOT)
    data.publish(topic="orders/1", payload=b"{}")


def test_retaining_by_https_needs_retain_publish(account: Account) -> None:
    user = account.user()
    data = account.client("iot-data", user.credentials)
    account.attach(user.identity_id, {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"})
    data.publish(topic="orders/1", payload=b"{}")
    with pytest.raises(ClientError, match="Forbidden"):
        data.publish(topic="orders/1", payload=b"{}", retain=True)


def test_a_guest_publishes_by_https_with_the_role_alone(account: Account) -> None:
    account.client("iot-data", account.guest().credentials).publish(topic="orders/1", payload=b"{}")
