"""Probes of AWS IoT."""

from __future__ import annotations

import uuid
from typing import Any

from botocore.exceptions import ClientError
from websockets.exceptions import InvalidStatus

from tests.integration.local_cloud.account import ALLOW_IOT, Account, document, fails_with, make_iot_policy, unique
from tests.integration.local_cloud.mqtt import Version, connected, websocket


def signed_upgrade(account: Account) -> bool:
    """An unsigned WebSocket upgrade is rejected."""
    try:
        with websocket(account.cloud, None):
            return False
    except InvalidStatus as error:
        return error.response.status_code == 403


def mqtt31(account: Account) -> bool:
    """An MQTT 3.1 client connects."""
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


def things(account: Account) -> bool:
    """A thing is attached to an identity."""
    iot, name = account.cloud.client("iot"), unique("thing")
    principal = f"{account.cloud.region}:{uuid.uuid4()}"
    iot.create_thing(thingName=name)
    try:
        iot.attach_thing_principal(thingName=name, principal=principal)
    except iot.exceptions.ResourceNotFoundException:
        return False
    return bool(iot.list_principal_things(principal=principal)["things"] == [name])


def simulated_authorization(account: Account) -> bool:
    """TestAuthorization evaluates the role of the identity pool only if the pool is given."""
    identity_id = f"{account.cloud.region}:{uuid.uuid4()}"
    account.attach(identity_id, ALLOW_IOT)
    pool_id = account.make_identity_pool()
    nothing = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    account.cloud.client("iam").put_role_policy(
        RoleName=account.authenticated_role(pool_id), PolicyName="allow", PolicyDocument=nothing
    )
    given: Any = {
        "principal": identity_id,
        "authInfos": [{"actionType": "CONNECT", "resources": [account.arn("client/probe")]}],
    }
    iot = account.cloud.client("iot")
    try:
        (without_role,) = iot.test_authorization(**given)["authResults"]
        (with_role,) = iot.test_authorization(**given, cognitoIdentityPoolId=pool_id)["authResults"]
    except ClientError:
        return False
    return bool((without_role["authDecision"], with_role["authDecision"]) == ("ALLOWED", "IMPLICIT_DENY"))


def attached_policies_limit(account: Account) -> bool:
    """An eleventh policy cannot be attached to an identity until another one is detached."""
    iot, identity_id = account.cloud.client("iot"), f"{account.cloud.region}:{uuid.uuid4()}"
    names = [account.attach(identity_id, ALLOW_IOT) for _ in range(10)]
    if not fails_with(lambda: account.attach(identity_id, ALLOW_IOT), "LimitExceededException"):
        return False
    iot.attach_policy(policyName=names[0], target=identity_id)
    account.attach(f"{account.cloud.region}:{uuid.uuid4()}", ALLOW_IOT)
    iot.detach_policy(policyName=names[0], target=identity_id)
    account.attach(identity_id, ALLOW_IOT)
    return True


def policy_versions_limit(account: Account) -> bool:
    """A sixth version of a policy is rejected."""
    iot, name = account.cloud.client("iot"), make_iot_policy(account.cloud, ALLOW_IOT)
    for _ in range(4):
        iot.create_policy_version(policyName=name, policyDocument=document(ALLOW_IOT))
    return fails_with(
        lambda: iot.create_policy_version(policyName=name, policyDocument=document(ALLOW_IOT)),
        "VersionsLimitExceededException",
    )


def target_pages(account: Account) -> bool:
    """A page without all targets has a marker."""
    targets = [f"{account.cloud.region}:{uuid.uuid4()}" for _ in range(2)]
    iot, name = account.cloud.client("iot"), make_iot_policy(account.cloud, ALLOW_IOT, targets=targets)
    return "nextMarker" in iot.list_targets_for_policy(policyName=name, pageSize=1)
