from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.local_cloud.account import ALLOW_IOT, Account, Credentials, unique
from tests.integration.local_cloud.mqtt import Version, connected, websocket

SECONDS = 1.0


@dataclass(frozen=True)
class ShortLived:
    """A guest's credentials and their expiration."""

    credentials: Credentials
    expiration: datetime

    def wait_until_expired(self) -> None:
        time.sleep(max(0.0, (self.expiration - datetime.now(UTC)).total_seconds() + 0.01))


@pytest.fixture(autouse=True)
def short_lives(account: Account) -> Iterator[None]:
    account.cloud.credentials_lifetime_seconds = SECONDS
    yield
    account.cloud.clear_faults()


@pytest.fixture
def guest(account: Account) -> ShortLived:
    pools: Any = account.cloud.client("cognito-identity")
    identity_id = pools.get_id(IdentityPoolId=account.guest_identity_pool_id)["IdentityId"]
    given = pools.get_credentials_for_identity(IdentityId=identity_id)["Credentials"]
    credentials = Credentials(given["AccessKeyId"], given["SecretKey"], given["SessionToken"])
    return ShortLived(credentials, given["Expiration"])


def test_credentials_name_their_expiration(guest: ShortLived) -> None:
    assert 0 < (guest.expiration - datetime.now(UTC)).total_seconds() <= SECONDS


def test_expired_credentials_are_rejected(account: Account, guest: ShortLived) -> None:
    sts = account.client("sts", guest.credentials)
    sts.get_caller_identity()
    guest.wait_until_expired()
    with pytest.raises(ClientError, match="ExpiredToken"):
        sts.get_caller_identity()
    with pytest.raises(InvalidStatus, match="403"), websocket(account.cloud, guest.credentials):
        pass


@pytest.mark.parametrize("version", [Version.MQTT_311, Version.MQTT_5], ids=lambda version: version.name)
def test_connection_closes_when_its_credentials_expire(account: Account, guest: ShortLived, version: Version) -> None:
    with connected(account.cloud, guest.credentials, unique("client"), version) as mqtt:
        assert mqtt.publish("orders/1") == 0
        assert mqtt.wait_until_closed() == []
    assert datetime.now(UTC) >= guest.expiration


def test_message_before_the_expiration_is_never_denied(account: Account) -> None:
    """Credentials can expire while the broker authorizes a message."""
    # Many statements, so that it takes long. A retained message needs two permissions.
    unused = [account.arn(f"topic/unused-{number:02}-*") for number in range(25)]

    def answers() -> set[int | None]:
        user = account.user()
        for _ in range(9):
            account.attach(user.identity_id, {"Effect": "Deny", "Action": "iot:Publish", "Resource": unused})
        account.attach(user.identity_id, ALLOW_IOT)
        codes: set[int | None] = set()
        with (
            suppress(ConnectionClosed, InvalidStatus),  # on a busy machine they expire before the connection
            connected(account.cloud, user.credentials, unique("client"), Version.MQTT_5) as mqtt,
        ):
            while None not in codes:
                codes.add(mqtt.publish("orders/1", retain=True))
        return codes - {None}

    with ThreadPoolExecutor(2) as pool:
        every = [pool.submit(answers) for _ in range(8)]
        assert set().union(*(each.result() for each in every)) == {0}


def test_connection_with_earlier_credentials_continues(account: Account) -> None:
    account.cloud.clear_faults()
    user = account.guest()
    account.cloud.credentials_lifetime_seconds = 0
    with connected(account.cloud, user.credentials, unique("client")) as mqtt:
        assert mqtt.publish("orders/1") == 0
