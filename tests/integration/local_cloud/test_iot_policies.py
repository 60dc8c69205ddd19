from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.environment import CREDENTIALS
from tests.integration.local_cloud.account import ALLOW_IOT, Account, Credentials, Identity, document, unique
from tests.integration.local_cloud.mqtt import Message, Token, Version, connected, websocket

NOT_AUTHORIZED = 0x87
SUB = "${cognito-identity.amazonaws.com:sub}"


def allow(account: Account, *resources: str, action: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": [account.arn(each) for each in resources]}


@pytest.fixture(scope="module")
def user(account: Account) -> Identity:
    """A user whose policies use policy variables."""
    user = account.user()
    account.attach(
        user.identity_id,
        allow(account, f"client/{SUB}", action="iot:Connect"),
        allow(account, f"topic/{SUB}/*", "topic/all/${iot:ClientId}/*", action="iot:Publish"),
        allow(account, f"topic/{SUB}/*", "topic/readable/*", action="iot:Receive"),
        allow(account, f"topicfilter/{SUB}/*", "topicfilter/#", action="iot:Subscribe"),
        allow(account, f"topic/{SUB}/retained/*", action="iot:RetainPublish"),
    )
    return user


@pytest.fixture(scope="module")
def publisher(account: Account) -> Identity:
    user = account.user()
    account.attach(user.identity_id, ALLOW_IOT)
    return user


@pytest.mark.parametrize("version", Version, ids=lambda each: each.name)
class TestVersions:
    """In MQTT 5 the broker answers a denial; in earlier versions it closes the connection."""

    def denial(self, version: Version) -> int | None:
        return NOT_AUTHORIZED if version is Version.MQTT_5 else None

    def test_variables_are_replaced(self, account: Account, user: Identity, version: Version) -> None:
        with websocket(account.cloud, user.credentials, version) as mqtt:
            assert mqtt.subprotocol == version.value[2]
            assert mqtt.connect(user.identity_id) == 0
            assert mqtt.subscribe(f"{user.identity_id}/orders/#") == 0
            assert mqtt.publish(f"{user.identity_id}/orders") == 0
            assert mqtt.publish(f"all/{user.identity_id}/orders") == 0
            assert mqtt.publish(f"{user.identity_id}/retained/1", retain=True) == 0

    @pytest.mark.parametrize("will", [None, "elsewhere"])
    def test_connect_is_denied(self, account: Account, user: Identity, version: Version, will: str | None) -> None:
        client_id = user.identity_id if will else unique("other")
        with websocket(account.cloud, user.credentials, version) as mqtt:
            assert mqtt.connect(client_id, will=will) == self.denial(version)

    def test_publish_is_denied(self, account: Account, user: Identity, version: Version) -> None:
        with connected(account.cloud, user.credentials, user.identity_id, version) as mqtt:
            assert mqtt.publish("us-east-1:another/orders") == self.denial(version)

    def test_retained_publish_is_denied(self, account: Account, user: Identity, version: Version) -> None:
        with connected(account.cloud, user.credentials, user.identity_id, version) as mqtt:
            assert mqtt.publish(f"{user.identity_id}/orders", retain=True) == self.denial(version)

    def test_subscribe_is_denied(self, account: Account, user: Identity, version: Version) -> None:
        with connected(account.cloud, user.credentials, user.identity_id, version) as mqtt:
            assert mqtt.subscribe("us-east-1:another/#") == self.denial(version)

    def test_message_without_permission_to_receive_is_not_delivered(
        self, account: Account, user: Identity, publisher: Identity, version: Version
    ) -> None:
        with (
            connected(account.cloud, user.credentials, user.identity_id, version) as mqtt,
            connected(account.cloud, publisher.credentials, unique("publisher")) as other,
        ):
            assert mqtt.subscribe("#") == 0
            assert other.publish("private/1", b"no") == 0
            assert other.publish("readable/1", b"yes") == 0
            assert mqtt.message() == Message("readable/1", b"yes")
            assert mqtt.message() is None


def test_detached_policy_allows_nothing(account: Account) -> None:
    user, iot = account.user(), account.cloud.client("iot")
    account.attach(user.identity_id, ALLOW_IOT)
    with connected(account.cloud, user.credentials, unique("client"), Version.MQTT_5) as mqtt:
        assert mqtt.publish("before") == 0
        (policy,) = iot.list_attached_policies(target=user.identity_id)["policies"]
        iot.detach_policy(policyName=policy["policyName"], target=user.identity_id)
        assert mqtt.publish("after") == NOT_AUTHORIZED


def test_role_must_allow_too(account: Account) -> None:
    pool_id = account.make_identity_pool()
    user = account.user(identity_pool_id=pool_id)
    account.attach(user.identity_id, ALLOW_IOT)
    deny = {"Effect": "Deny", "Action": "iot:Publish", "Resource": account.arn("topic/closed")}
    role_name = account.authenticated_role(pool_id)
    account.cloud.client("iam").put_role_policy(RoleName=role_name, PolicyName="deny", PolicyDocument=document(deny))
    with connected(account.cloud, user.credentials, unique("client"), Version.MQTT_5) as mqtt:
        assert mqtt.publish("open") == 0
        assert mqtt.publish("closed") == NOT_AUTHORIZED


def test_guest_needs_no_attached_policy(account: Account) -> None:
    with connected(account.cloud, account.guest().credentials, unique("guest")) as mqtt:
        assert mqtt.subscribe("orders/#") == 0
        assert mqtt.publish("orders/1", b"hello") == 0
        assert mqtt.message() == Message("orders/1", b"hello")
    account.client("iot-data", account.guest().credentials).publish(topic="orders/1", payload=b"{}")


def test_wildcard_as_client_id_does_not_widen_a_policy(account: Account) -> None:
    user = account.user()
    account.attach(
        user.identity_id,
        allow(account, "client/*", action="iot:Connect"),
        allow(account, "topic/${iot:ClientId}", action="iot:Publish"),
    )
    with connected(account.cloud, user.credentials, "*", Version.MQTT_5) as mqtt:
        assert mqtt.publish("*") == 0
        assert mqtt.publish("anything") == NOT_AUTHORIZED


def test_variable_without_a_value_matches_nothing(account: Account) -> None:
    user = account.user()
    thing = "${iot:Connection.Thing.ThingName}"
    account.attach(
        user.identity_id,
        allow(account, "client/*", action="iot:Connect"),
        allow(account, f"topic/of/{thing}", action="iot:Publish"),
    )
    with connected(account.cloud, user.credentials, unique("client"), Version.MQTT_5) as mqtt:
        assert mqtt.publish(f"of/{thing}") == NOT_AUTHORIZED


def test_publishing_over_https_needs_an_attached_policy(account: Account) -> None:
    user = account.user()
    data = account.client("iot-data", user.credentials)
    with pytest.raises(ClientError, match="Forbidden"):
        data.publish(topic="orders/1", payload=b"{}")
    account.attach(user.identity_id, {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"})
    data.publish(topic="orders/1", payload=b"{}")
    with pytest.raises(ClientError, match="Forbidden"):
        data.publish(topic="orders/1", payload=b"{}", retain=True)


@pytest.mark.parametrize("token", [Token.APPENDED, Token.FIRST], ids=lambda token: token.name)
def test_session_token_can_be_anywhere_in_the_query(account: Account, token: Token) -> None:
    with websocket(account.cloud, account.guest().credentials, token=token) as mqtt:
        assert mqtt.connect(unique("client")) == 0


def test_root_key_connects_without_session_token(account: Account) -> None:
    root = Credentials(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], "")
    with connected(account.cloud, root, unique("client")) as mqtt:
        assert mqtt.publish("orders/1") == 0


THING = "${iot:Connection.Thing.ThingName}"


def test_client_id_must_be_the_name_of_a_thing_of_the_identity(account: Account) -> None:
    iot, user, name = account.cloud.client("iot"), account.user(), unique("lamp")
    attribute = {"StringEquals": {"iot:Connection.Thing.Attributes[room]": "hall"}}
    attached = {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}
    account.attach(
        user.identity_id,
        allow(account, f"client/{THING}", action="iot:Connect"),
        allow(account, f"topic/{THING}/*", action="iot:Publish") | {"Condition": attribute | attached},
    )
    iot.create_thing(thingName=name, attributePayload={"attributes": {"room": "hall"}})
    with websocket(account.cloud, user.credentials) as mqtt:
        assert mqtt.connect(name) is None
    iot.attach_thing_principal(thingName=name, principal=user.identity_id)
    with websocket(account.cloud, user.credentials) as mqtt:
        assert mqtt.connect(unique("other")) is None
    with connected(account.cloud, user.credentials, name) as mqtt:
        assert mqtt.publish(f"{name}/on") == 0
    iot.detach_thing_principal(thingName=name, principal=user.identity_id)
    assert iot.list_principal_things(principal=user.identity_id)["things"] == []
    with websocket(account.cloud, user.credentials) as mqtt:
        assert mqtt.connect(name) is None
