"""Probes of AWS IoT."""

from __future__ import annotations

import uuid
from typing import Any

from botocore.exceptions import ClientError
from websockets.exceptions import InvalidStatus

from tests.integration.local_cloud.account import ALLOW_IOT, Account, document, is_refused, unique
from tests.integration.local_cloud.mqtt import Version, connected, websocket


def signed_upgrade(account: Account) -> bool:
    """An unsigned WebSocket upgrade is refused."""
    try:
        with websocket(account.cloud, None):
            return False
    except InvalidStatus as refusal:
        return refusal.response.status_code == 403


def mqtt31(account: Account) -> bool:
    """A client of MQTT 3.1 connects."""
    user = account.user()
    account.attach(user.identity_id, ALLOW_IOT)
    with websocket(account.cloud, user.credentials, Version.MQTT_31) as mqtt:
        return mqtt.connect(unique("client")) == 0


def resubscribe(account: Account) -> bool:
    """A client that subscribes twice receives a message once."""
    user, topic = account.user(), unique("topic")
    account.attach(user.identity_id, ALLOW_IOT)
    with connected(account.cloud, user.credentials, unique("client")) as mqtt:
        assert mqtt.subscribe(topic) == 0
        assert mqtt.subscribe(topic) == 0
        mqtt.publish(topic)
        return mqtt.message() is not None and mqtt.message() is None


def iot_policies(account: Account) -> bool:
    """An authenticated identity without an attached policy cannot connect, though its role allows it."""
    with websocket(account.cloud, account.user().credentials) as mqtt:
        return mqtt.connect(unique("client")) is None


def test_authorization(account: Account) -> bool:
    """TestAuthorization decides with the role of the identity pool and without it."""
    identity_id = f"{account.cloud.region}:{uuid.uuid4()}"
    account.attach(identity_id, ALLOW_IOT)
    pool_id = account.make_identity_pool()
    nothing = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    account.cloud.client("iam").put_role_policy(
        RoleName=account.authenticated_role(pool_id), PolicyName="allow", PolicyDocument=nothing
    )
    asked: Any = {
        "principal": identity_id,
        "authInfos": [{"actionType": "CONNECT", "resources": [account.arn("client/probe")]}],
    }
    iot = account.cloud.client("iot")
    try:
        (alone,) = iot.test_authorization(**asked)["authResults"]
        (with_role,) = iot.test_authorization(**asked, cognitoIdentityPoolId=pool_id)["authResults"]
    except ClientError:
        return False
    return bool((alone["authDecision"], with_role["authDecision"]) == ("ALLOWED", "IMPLICIT_DENY"))


# It is named as the operation is, and no test.
test_authorization.__test__ = False  # type: ignore[attr-defined]


def attached_policies_limit(account: Account) -> bool:
    """An eleventh policy cannot be attached to an identity until another one is detached."""
    iot, identity_id = account.cloud.client("iot"), f"{account.cloud.region}:{uuid.uuid4()}"
    names = [unique("policy") for _ in range(10)]
    for name in names:
        iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
        iot.attach_policy(policyName=name, target=identity_id)
    if not is_refused(lambda: account.attach(identity_id, ALLOW_IOT), "LimitExceededException"):
        return False
    iot.attach_policy(policyName=names[0], target=identity_id)
    account.attach(f"{account.cloud.region}:{uuid.uuid4()}", ALLOW_IOT)
    iot.detach_policy(policyName=names[0], target=identity_id)
    account.attach(identity_id, ALLOW_IOT)
    return True


def policy_versions_limit(account: Account) -> bool:
    """A sixth version of a policy is refused."""
    iot, name = account.cloud.client("iot"), unique("policy")
    iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    for _ in range(4):
        iot.create_policy_version(policyName=name, policyDocument=document(ALLOW_IOT))
    return is_refused(
        lambda: iot.create_policy_version(policyName=name, policyDocument=document(ALLOW_IOT)),
        "VersionsLimitExceededException",
    )


def identity_things(account: Account) -> bool:
    """A thing that an identity was attached to is listed for it, and the identity for the thing."""
    iot, name = account.cloud.client("iot"), unique("thing")
    identity_id = f"{account.cloud.region}:{uuid.uuid4()}"
    iot.create_thing(thingName=name)
    try:
        iot.attach_thing_principal(thingName=name, principal=identity_id)
        things = iot.list_principal_things(principal=identity_id)["things"]
    except ClientError:
        return False
    return bool(things == [name] and iot.list_thing_principals(thingName=name)["principals"] == [identity_id])


def target_pages(account: Account) -> bool:
    """A page without all targets has a marker."""
    iot, name = account.cloud.client("iot"), unique("policy")
    iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    for _ in range(2):
        iot.attach_policy(policyName=name, target=f"{account.cloud.region}:{uuid.uuid4()}")
    return "nextMarker" in iot.list_targets_for_policy(policyName=name, pageSize=1)
