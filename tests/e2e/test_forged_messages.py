"""Every way to an attachment through the retry queue but a sign-in's own, tried and refused."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from attachment import proof
from local_cloud.faults import Fail
from pubsub_client.outputs import Output
from tests.e2e.key_thief import stolen_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Deployment
    from tests.e2e.key_thief import KeyThief


@pytest.fixture(autouse=True)
def nothing_else_owed(deployment: Deployment) -> None:
    deployment.forget_what_is_owed()


@pytest.fixture
def thief(deployment: Deployment) -> Iterator[KeyThief]:
    with stolen_key(deployment) as thief:
        yield thief


@pytest.fixture
def unattached(deployment: Deployment) -> str:
    """An identity id of the identity pool that nothing is attached to: somebody else's."""
    user = deployment.make_user()
    identity_id = deployment.identity_id(deployment.sign_in(user))
    deployment.cloud.client("iot").detach_policy(policyName=deployment.policy_name, target=identity_id)
    return identity_id


def _send(deployment: Deployment, body: dict[str, Any]) -> None:
    """Put a message into the queue as somebody who may, and wait until the worker is done with it."""
    deployment.cloud.client("sqs").send_message(
        QueueUrl=deployment.outputs[Output.RETRY_QUEUE_URL], MessageBody=json.dumps(body)
    )
    deployment.wait_until_nothing_is_owed()


def _body(deployment: Deployment, user_name: str, identity_id: str | None, mac: bytes | None) -> dict[str, Any]:
    return {
        "version": 2,
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


def _owed(deployment: Deployment, user_name: str, identity_id: str, /, **other: str) -> bytes:
    parts = {
        "user_pool_id": deployment.user_pool_id,
        "user_name": user_name,
        "sub": _sub(deployment, user_name) or "",
        "identity_id": identity_id,
        "fingerprint": deployment.outputs[Output.ATTACHMENT_MARKER],
    }
    return proof.owed_message(**(parts | other))


def _dead_letters(deployment: Deployment) -> list[str]:
    """Take what is among the dead letters, and return the reasons."""
    queue = deployment.cloud.client("sqs")
    url = deployment.outputs[Output.DEAD_LETTER_QUEUE_URL]
    reasons = []
    while messages := queue.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"):
        for message in messages:
            reasons.append(message["MessageAttributes"]["Reason"]["StringValue"])
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return reasons


def test_the_right_mac_is_believed(deployment: Deployment, thief: KeyThief, unattached: str) -> None:
    user = deployment.make_user()
    _send(deployment, _body(deployment, user, unattached, thief.mac(_owed(deployment, user, unattached))))
    assert deployment.attached_policies(unattached) == ["myIoTPolicy"]


@pytest.mark.parametrize(
    "mac",
    [None, bytes(32), bytes(31), b"x", secrets.token_bytes(32)],
    ids=["none", "zeros", "too short", "one byte", "random bytes"],
)
def test_an_identity_claimed_without_the_mac_is_not_attached(
    deployment: Deployment, unattached: str, mac: bytes | None
) -> None:
    user = deployment.make_user()
    _send(deployment, _body(deployment, user, unattached, mac))
    assert deployment.attached_policies(unattached) == []
    assert _dead_letters(deployment) == []  # the user named is attached, as by a sign-in: to the identity proven


@pytest.mark.parametrize(
    "other",
    [
        {"user_name": "somebody-else"},
        {"sub": "11111111-2222-3333-4444-555555555555"},
        {"identity_id": "us-east-1:11111111-2222-3333-4444-555555555555"},
        {"user_pool_id": "us-east-1_other"},
        {"fingerprint": "that-of-an-earlier-policy"},
    ],
    ids=lambda other: "-".join(other),
)
def test_a_mac_is_good_for_one_attachment(
    deployment: Deployment, thief: KeyThief, unattached: str, other: dict[str, str]
) -> None:
    user = deployment.make_user()
    _send(deployment, _body(deployment, user, unattached, thief.mac(_owed(deployment, user, unattached, **other))))
    assert deployment.attached_policies(unattached) == []


def test_a_mac_that_answers_a_challenge_proves_no_identity(
    deployment: Deployment, thief: KeyThief, unattached: str
) -> None:
    user = deployment.make_user()
    message = proof.message(
        user_pool_id=deployment.user_pool_id, client_id=deployment.client_id, user_name=user, nonce=unattached
    )
    _send(deployment, _body(deployment, user, unattached, thief.mac(message)))
    assert deployment.attached_policies(unattached) == []


def _marker(deployment: Deployment, user_name: str) -> str | None:
    user = deployment.cloud.client("cognito-idp").admin_get_user(UserPoolId=deployment.user_pool_id, Username=user_name)
    values = {each["Name"]: each["Value"] for each in user["UserAttributes"]}
    return values.get("custom:pubsub_attachment")


def test_a_proof_of_version_1_is_not_believed_and_its_user_is_attached_as_by_a_sign_in(
    deployment: Deployment, thief: KeyThief, unattached: str
) -> None:
    """It does not say for which user of the name it was made; messages of that version can wait during an update."""
    user = deployment.make_user()
    parts = [deployment.user_pool_id, user, unattached, deployment.outputs[Output.ATTACHMENT_MARKER]]
    mac = thief.mac(json.dumps(["amplify-pubsub owed attachment", *parts]).encode())
    body = _body(deployment, user, unattached, mac) | {"version": 1}
    del body["sub"]
    _send(deployment, body)
    assert deployment.attached_policies(unattached) == []
    assert unattached not in str(_marker(deployment, user))
    assert deployment.attached_policies(str(_marker(deployment, user)).split("/")[1]) == ["myIoTPolicy"]


def test_a_user_name_that_is_created_again_does_not_inherit_what_the_deleted_user_was_owed(
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


def test_nobody_is_attached_who_could_not_sign_in(deployment: Deployment, unattached: str) -> None:
    disabled = deployment.make_user()
    deployment.cloud.client("cognito-idp").admin_disable_user(UserPoolId=deployment.user_pool_id, Username=disabled)
    for user in (disabled, f"nobody-{uuid.uuid4().hex[:8]}"):
        before = deployment.cloud.calls()
        _send(deployment, _body(deployment, user, unattached, None))
        assert "iot:AttachPolicy" not in deployment.calls_of(before)
    assert deployment.attached_policies(unattached) == []
    assert _dead_letters(deployment) == []


def test_another_pools_user_is_refused_by_the_workers_permissions(deployment: Deployment) -> None:
    users = deployment.cloud.client("cognito-idp")
    other = users.create_user_pool(PoolName="other")["UserPool"]["Id"]
    try:
        users.admin_create_user(UserPoolId=other, Username="eve", MessageAction="SUPPRESS")
        _send(deployment, _body(deployment, "eve", None, None) | {"userPoolId": other})
        (reason,) = _dead_letters(deployment)
        # A worker that has signed nobody in yet asks for the internal client's secret first.
        assert reason in {f"{name}: AccessDeniedException" for name in ("AdminInitiateAuth", "DescribeUserPoolClient")}
    finally:
        users.delete_user_pool(UserPoolId=other)


@pytest.mark.parametrize("body", [{}, {"version": 3}, {"version": 1}, {"version": 1, "userName": ["ada"]}], ids=str)
def test_what_is_no_message_is_set_aside(deployment: Deployment, body: dict[str, Any]) -> None:
    before = deployment.cloud.calls()
    _send(deployment, body)
    assert "iot:AttachPolicy" not in deployment.calls_of(before)
    assert _dead_letters(deployment) == ["UnreadableMessageError"]


def test_a_signed_in_user_can_write_to_neither_queue(deployment: Deployment) -> None:
    tokens = deployment.sign_in(deployment.make_user())
    queues = deployment.as_user("sqs", deployment.credentials(tokens))
    for output in (Output.RETRY_QUEUE_URL, Output.DEAD_LETTER_QUEUE_URL):
        with pytest.raises(queues.exceptions.ClientError, match="AccessDenied"):
            queues.send_message(QueueUrl=deployment.outputs[output], MessageBody="{}")
