"""Forged messages in the retry queue: the worker attaches the policy only for users for whom a sign-in would.

`tests/unit/lambdas/test_pending.py` tests the form of messages and what a MAC covers.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from attachment.mac import pending_mac_input, sign_in_mac_input
from local_cloud.faults import Fail
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tests.e2e.key_thief import KeyThief, stolen_key


@pytest.fixture(autouse=True)
def no_pending_attachments(deployment: Deployment) -> None:
    deployment.forget_what_is_owed()


@pytest.fixture
def thief(deployment: Deployment) -> Iterator[KeyThief]:
    with stolen_key(deployment) as thief:
        yield thief


@pytest.fixture
def unattached(deployment: Deployment) -> str:
    """Another user's identity id, without the policy."""
    user = deployment.make_user()
    identity_id = deployment.identity_id(deployment.sign_in(user))
    deployment.cloud.client("iot").detach_policy(policyName=deployment.policy_name, target=identity_id)
    return identity_id


def _send(deployment: Deployment, body: dict[str, Any]) -> None:
    """Send a message with administrator rights, and wait until the worker has processed it."""
    deployment.cloud.client("sqs").send_message(
        QueueUrl=deployment.outputs[Output.RETRY_QUEUE_URL], MessageBody=json.dumps(body)
    )
    deployment.wait_until_nothing_is_owed()


def _body(deployment: Deployment, user_name: str, identity_id: str | None, mac: bytes | None) -> dict[str, Any]:
    return {
        "version": 1,
        "userPoolId": deployment.user_pool_id,
        "userName": user_name,
        "sub": _sub(deployment, user_name),
        "identityId": identity_id,
        "mac": base64.b64encode(mac).decode() if mac else None,
    }


def _sub(deployment: Deployment, user_name: str) -> str | None:
    """Return the user's ``sub``; None if there is no such user."""
    users = deployment.cloud.client("cognito-idp")
    try:
        user = users.admin_get_user(UserPoolId=deployment.user_pool_id, Username=user_name)
    except users.exceptions.UserNotFoundException:
        return None
    return str(next(each["Value"] for each in user["UserAttributes"] if each["Name"] == "sub"))


def _mac_input(deployment: Deployment, user_name: str, identity_id: str) -> bytes:
    """Return what the MAC of a message is over."""
    return pending_mac_input(
        user_pool_id=deployment.user_pool_id,
        user_name=user_name,
        sub=_sub(deployment, user_name) or "",
        identity_id=identity_id,
        fingerprint=deployment.outputs[Output.ATTACHMENT_MARKER],
    )


def _dead_letters(deployment: Deployment) -> list[str]:
    """Receive and delete the dead letters; return their reasons."""
    queue = deployment.cloud.client("sqs")
    url = deployment.outputs[Output.DEAD_LETTER_QUEUE_URL]
    reasons = []
    while messages := queue.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"):
        for message in messages:
            reasons.append(message["MessageAttributes"]["Reason"]["StringValue"])
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return reasons


def test_identity_is_attached_only_with_the_mac_of_the_message(
    deployment: Deployment, thief: KeyThief, unattached: str
) -> None:
    user = deployment.make_user()
    another = "us-east-1:11111111-2222-3333-4444-555555555555"
    challenge = sign_in_mac_input(
        user_pool_id=deployment.user_pool_id, client_id=deployment.client_id, user_name=user, nonce=unattached
    )
    for mac in (
        None,
        bytes(31),
        secrets.token_bytes(32),
        thief.mac(_mac_input(deployment, user, another)),
        thief.mac(challenge),
    ):
        _send(deployment, _body(deployment, user, unattached, mac))
        assert deployment.attached_policies(unattached) == [], mac
    assert _dead_letters(deployment) == []  # the named user is attached, as by a sign-in: to the user's own identity
    _send(deployment, _body(deployment, user, unattached, thief.mac(_mac_input(deployment, user, unattached))))
    assert deployment.attached_policies(unattached) == ["myIoTPolicy"]


def _marker(deployment: Deployment, user_name: str) -> str | None:
    user = deployment.cloud.client("cognito-idp").admin_get_user(UserPoolId=deployment.user_pool_id, Username=user_name)
    values = {each["Name"]: each["Value"] for each in user["UserAttributes"]}
    return values.get("custom:pubsub_attachment")


def test_new_user_of_a_deleted_name_does_not_get_its_pending_attachment(
    deployment: Deployment,
) -> None:
    users, user = deployment.cloud.client("cognito-idp"), deployment.make_user()
    with deployment.worker_stopped():
        with deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException")):
            deleted = deployment.identity_id(deployment.sign_in(user))
        assert deployment.messages_in(Output.RETRY_QUEUE_URL) == 1
        users.admin_delete_user(UserPoolId=deployment.user_pool_id, Username=user)
        deployment.make_user(name=user)
    assert deployment.attached_policies(deleted) == []
    assert _marker(deployment, user) is None
    identity_id = deployment.identity_id(deployment.sign_in(user))
    assert identity_id != deleted
    assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]


def test_user_who_cannot_sign_in_is_not_attached(deployment: Deployment, unattached: str) -> None:
    disabled = deployment.make_user()
    deployment.cloud.client("cognito-idp").admin_disable_user(UserPoolId=deployment.user_pool_id, Username=disabled)
    for user in (disabled, f"nobody-{uuid.uuid4().hex[:8]}"):
        before = deployment.cloud.calls()
        _send(deployment, _body(deployment, user, unattached, None))
        assert "iot:AttachPolicy" not in deployment.calls_of(before)
    assert deployment.attached_policies(unattached) == []
    assert _dead_letters(deployment) == []


def test_user_of_another_pool_is_refused_by_the_permissions_of_the_worker(deployment: Deployment) -> None:
    users = deployment.cloud.client("cognito-idp")
    other = users.create_user_pool(PoolName="other")["UserPool"]["Id"]
    try:
        users.admin_create_user(UserPoolId=other, Username="eve", MessageAction="SUPPRESS")
        _send(deployment, _body(deployment, "eve", None, None) | {"userPoolId": other})
        (reason,) = _dead_letters(deployment)
        # In a new environment the worker reads the internal client's secret first.
        assert reason in {f"{name}: AccessDeniedException" for name in ("AdminInitiateAuth", "DescribeUserPoolClient")}
    finally:
        users.delete_user_pool(UserPoolId=other)


def test_unreadable_message_goes_to_the_dead_letter_queue(deployment: Deployment) -> None:
    before = deployment.cloud.calls()
    _send(deployment, {"version": 1, "userName": ["ada"]})
    assert "iot:AttachPolicy" not in deployment.calls_of(before)
    assert _dead_letters(deployment) == ["UnreadableMessageError"]


def test_queues_refuse_messages_of_signed_in_users(deployment: Deployment) -> None:
    tokens = deployment.sign_in(deployment.make_user())
    queues = deployment.as_user("sqs", deployment.credentials(tokens))
    for output in (Output.RETRY_QUEUE_URL, Output.DEAD_LETTER_QUEUE_URL):
        with pytest.raises(queues.exceptions.ClientError, match="AccessDenied"):
            queues.send_message(QueueUrl=deployment.outputs[output], MessageBody="{}")
