from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.local_cloud.account import ALLOW_IOT, Identity, document, unique
from tests.integration.local_cloud.mqtt import Message, Version, connected, websocket

if TYPE_CHECKING:
    from tests.integration.local_cloud.account import Account

NOT_AUTHORIZED = 0x87
SUB = "${cognito-identity.amazonaws.com:sub}"

pytestmark = pytest.mark.parametrize("version", Version, ids=lambda each: each.name)


def allow(account: Account, *resources: str, action: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": [account.arn(each) for each in resources]}


@pytest.fixture
def user(account: Account) -> Identity:
    """A user who may do everything on topics under its identity id, and connect with it as client id."""
    made = account.user()
    account.attach(
        made.identity_id,
        allow(account, f"client/{SUB}", action="iot:Connect"),
        allow(account, f"topic/{SUB}/*", "topic/all/${iot:ClientId}/*", action="iot:Publish"),
        allow(account, f"topic/{SUB}/*", "topic/heard/*", action="iot:Receive"),
        allow(account, f"topicfilter/{SUB}/*", "topicfilter/#", action="iot:Subscribe"),
        allow(account, f"topic/{SUB}/kept/*", action="iot:RetainPublish"),
    )
    return made


@pytest.fixture
def publisher(account: Account) -> Identity:
    made = account.user()
    account.attach(made.identity_id, ALLOW_IOT)
    return made


def refusal(version: Version) -> int | None:
    """MQTT 5 answers a refusal; before it the broker closes the connection."""
    return NOT_AUTHORIZED if version is Version.MQTT_5 else None


def test_connects_with_the_client_id_that_a_variable_allows(account: Account, user: Identity, version: Version) -> None:
    with websocket(account.cloud, user.credentials, version) as mqtt:
        assert mqtt.connect(user.identity_id) == 0
        assert mqtt.subprotocol == version.value[2]


def test_a_connect_that_the_policy_does_not_allow_is_closed_without_connack_before_mqtt_5(
    account: Account, user: Identity, version: Version
) -> None:
    with websocket(account.cloud, user.credentials, version) as mqtt:
        assert mqtt.connect(unique("other")) == refusal(version)


def test_a_will_that_the_policy_does_not_allow_refuses_the_connect(
    account: Account, user: Identity, version: Version
) -> None:
    with websocket(account.cloud, user.credentials, version) as mqtt:
        assert mqtt.connect(user.identity_id, will="elsewhere") == refusal(version)


def test_nothing_is_allowed_without_an_attached_policy(account: Account, version: Version) -> None:
    with websocket(account.cloud, account.user().credentials, version) as mqtt:
        assert mqtt.connect(unique("client")) == refusal(version)


def test_a_policy_attached_to_another_identity_allows_nothing(
    account: Account, publisher: Identity, version: Version
) -> None:
    with websocket(account.cloud, account.user().credentials, version) as mqtt:
        assert mqtt.connect(publisher.identity_id) == refusal(version)


def test_a_detached_policy_allows_nothing_any_more(account: Account, publisher: Identity, version: Version) -> None:
    iot = account.cloud.client("iot")
    with connected(account.cloud, publisher.credentials, unique("client"), version) as mqtt:
        assert mqtt.publish("before") == 0
        (policy,) = iot.list_attached_policies(target=publisher.identity_id)["policies"]
        iot.detach_policy(policyName=policy["policyName"], target=publisher.identity_id)
        assert mqtt.publish("after") == refusal(version)


def test_the_role_must_allow_too(account: Account, version: Version) -> None:
    user = account.user()
    account.attach(user.identity_id, ALLOW_IOT)
    iam, identity = account.cloud.client("iam"), account.cloud.client("cognito-identity")
    roles = identity.get_identity_pool_roles(IdentityPoolId=account.identity_pool_id)["Roles"]
    role = {"RoleName": roles["authenticated"].rpartition("/")[2], "PolicyName": "deny"}
    deny = {"Effect": "Deny", "Action": "iot:Publish", "Resource": account.arn("topic/closed")}
    iam.put_role_policy(**role, PolicyDocument=document(deny))
    try:
        with connected(account.cloud, user.credentials, unique("client"), version) as mqtt:
            assert mqtt.publish("closed") == refusal(version)
    finally:
        iam.delete_role_policy(**role)


def test_a_guest_needs_no_attached_policy(account: Account, version: Version) -> None:
    with connected(account.cloud, account.guest().credentials, unique("guest"), version) as mqtt:
        assert mqtt.subscribe("orders/#") == 0
        assert mqtt.publish("orders/1", b"hello") == 0
        assert mqtt.message() == Message("orders/1", b"hello")


def test_publishes_where_variables_allow_it(account: Account, user: Identity, version: Version) -> None:
    with connected(account.cloud, user.credentials, user.identity_id, version) as mqtt:
        assert mqtt.publish(f"{user.identity_id}/orders") == 0
        assert mqtt.publish(f"all/{user.identity_id}/orders") == 0


def test_a_denied_publish_closes_the_connection_before_mqtt_5(
    account: Account, user: Identity, version: Version
) -> None:
    with connected(account.cloud, user.credentials, user.identity_id, version) as mqtt:
        assert mqtt.publish("us-east-1:somebody-else/orders") == refusal(version)


def test_a_retained_message_needs_retain_publish(account: Account, user: Identity, version: Version) -> None:
    with connected(account.cloud, user.credentials, user.identity_id, version) as mqtt:
        assert mqtt.publish(f"{user.identity_id}/kept/1", retain=True) == 0
        assert mqtt.publish(f"{user.identity_id}/orders", retain=True) == refusal(version)


def test_a_denied_subscribe_closes_the_connection_before_mqtt_5(
    account: Account, user: Identity, version: Version
) -> None:
    with connected(account.cloud, user.credentials, user.identity_id, version) as mqtt:
        assert mqtt.subscribe(f"{user.identity_id}/orders/#") == 0
        assert mqtt.subscribe("us-east-1:somebody-else/#") == refusal(version)


def test_a_message_that_may_not_be_received_is_not_delivered(
    account: Account, user: Identity, publisher: Identity, version: Version
) -> None:
    with (
        connected(account.cloud, user.credentials, user.identity_id, version) as mqtt,
        connected(account.cloud, publisher.credentials, unique("publisher")) as other,
    ):
        assert mqtt.subscribe("#") == 0
        assert other.publish("unheard/1", b"no") == 0
        assert other.publish("heard/1", b"yes") == 0
        assert mqtt.message() == Message("heard/1", b"yes")
        assert mqtt.message() is None


def test_a_wildcard_as_client_id_does_not_widen_a_policy(account: Account, version: Version) -> None:
    user = account.user()
    account.attach(
        user.identity_id,
        allow(account, "client/*", action="iot:Connect"),
        allow(account, "topic/${iot:ClientId}", action="iot:Publish"),
    )
    with connected(account.cloud, user.credentials, "*", version) as mqtt:
        assert mqtt.publish("*") == 0
        assert mqtt.publish("anything") == refusal(version)


def test_a_variable_without_a_value_matches_nothing(account: Account, version: Version) -> None:
    user = account.user()
    thing = "${iot:Connection.Thing.ThingName}"
    account.attach(
        user.identity_id,
        allow(account, "client/*", action="iot:Connect"),
        allow(account, f"topic/of/{thing}", action="iot:Publish"),
    )
    with connected(account.cloud, user.credentials, unique("client"), version) as mqtt:
        assert mqtt.publish(f"of/{thing}") == refusal(version)


def test_a_denial_in_an_attached_policy_wins(account: Account, version: Version) -> None:
    user = account.user()
    deny = {"Effect": "Deny", "Action": "iot:Publish", "Resource": account.arn("topic/closed/*")}
    account.attach(user.identity_id, ALLOW_IOT, deny)
    with connected(account.cloud, user.credentials, unique("client"), version) as mqtt:
        assert mqtt.publish("open/1") == 0
        assert mqtt.publish("closed/1") == refusal(version)
