"""Attacks on the internal sign-in and the retry queue: only a MAC of the KMS key gives tokens or an attachment.

Unit tests cover the input of a MAC and the format of messages.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from attachment.internal_sign_in import ClientSecrets
from attachment.mac import ALGORITHM, pending_mac_input, sign_in_mac_input
from local_cloud.faults import Fail
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, Deployment
from tests.integration.local_cloud.account import allow, make_iam_user

_REFUSALS = ("NotAuthorizedException", "InvalidParameterException", "UserNotFoundException", "CodeMismatchException")

MakeMac = Callable[[bytes], bytes]


def _mac_key_id(deployment: Deployment) -> str:
    trigger = deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
    function = deployment.cloud.client("lambda").get_function_configuration(FunctionName=trigger)
    return str(function["Environment"]["Variables"]["MAC_KEY_ID"])


@pytest.fixture
def make_mac(deployment: Deployment) -> Iterator[MakeMac]:
    """Let the test make MACs. It shows that the other attacks fail only because they lack the right MAC."""
    kms, key_id = deployment.cloud.client("kms"), _mac_key_id(deployment)
    before = kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    opened = json.loads(before)
    root = f"arn:aws:iam::{deployment.cloud.account_id}:root"
    opened["Statement"].append(
        {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:GenerateMac", "Resource": "*"}
    )
    kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=json.dumps(opened))
    yield lambda text: bytes(kms.generate_mac(KeyId=key_id, MacAlgorithm=ALGORITHM, Message=text)["Mac"])
    kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=before)


@dataclass(frozen=True)
class Challenge:
    user_name: str
    session: str
    nonce: str


@dataclass(frozen=True)
class Attacker:
    """Knows the public API, and the internal client's id and secret, which read-only staff can read."""

    deployment: Deployment
    internal_client_id: str

    def secret_hash(self, user_name: str) -> dict[str, str]:
        users = self.deployment.cloud.client("cognito-idp")
        return ClientSecrets().secret_hash(users, self.deployment.user_pool_id, self.internal_client_id, user_name)

    def start(self, user_name: str, client_id: str | None = None, **parameters: str) -> Challenge:
        secret_hash = {} if client_id else self.secret_hash(user_name)
        answer = self.deployment.public("cognito-idp").initiate_auth(
            ClientId=client_id or self.internal_client_id,
            AuthFlow="CUSTOM_AUTH",
            AuthParameters={"USERNAME": user_name, **secret_hash, **parameters},
        )
        assert "AuthenticationResult" not in answer
        return Challenge(user_name, answer["Session"], answer["ChallengeParameters"]["nonce"])

    def gets_tokens(self, challenge: Challenge, answer: str) -> bool:
        public = self.deployment.public("cognito-idp")
        try:
            answered = public.respond_to_auth_challenge(
                ClientId=self.internal_client_id,
                ChallengeName="CUSTOM_CHALLENGE",
                ChallengeResponses={
                    "USERNAME": challenge.user_name,
                    "ANSWER": answer,
                    **self.secret_hash(challenge.user_name),
                },
                Session=challenge.session,
            )
        except public.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _REFUSALS:
                return False
            raise
        return "AuthenticationResult" in answered


@pytest.fixture(scope="module")
def attacker(deployment: Deployment) -> Attacker:
    return Attacker(deployment, deployment.internal_client_id)


class TestChallenge:
    def test_mac_is_valid_once_for_one_challenge_user_pool_and_client(
        self, deployment: Deployment, attacker: Attacker, make_mac: MakeMac
    ) -> None:
        user = deployment.make_user()

        def mac(challenge: Challenge, **other: str) -> str:
            parts = {
                "user_pool_id": deployment.user_pool_id,
                "client_id": attacker.internal_client_id,
                "user_name": challenge.user_name,
                "nonce": challenge.nonce,
            }
            return base64.b64encode(make_mac(sign_in_mac_input(**(parts | other)))).decode()

        first = attacker.start(user)
        assert not attacker.gets_tokens(attacker.start(user), mac(first))
        assert attacker.gets_tokens(first, mac(first))
        assert not attacker.gets_tokens(first, mac(first))
        for other in (
            {"user_name": deployment.make_user()},
            {"user_pool_id": "us-east-1_other"},
            {"client_id": deployment.client_id},
        ):
            challenge = attacker.start(user)
            assert not attacker.gets_tokens(challenge, mac(challenge, **other)), other

    def test_wrong_answers_give_no_tokens(self, deployment: Deployment, attacker: Attacker) -> None:
        challenge = attacker.start(deployment.make_user())
        for _ in range(2):
            assert not attacker.gets_tokens(challenge, base64.b64encode(secrets.token_bytes(32)).decode())

    def test_internal_client_does_not_reveal_missing_users(self, attacker: Attacker) -> None:
        assert not attacker.gets_tokens(attacker.start("missing"), "AAAA")

    def test_other_app_clients_start_no_challenge(self, deployment: Deployment, attacker: Attacker) -> None:
        """A new app client allows the flow by default, but the challenge trigger rejects it."""
        users, user = deployment.cloud.client("cognito-idp"), deployment.make_user()
        with pytest.raises(users.exceptions.ClientError, match="InvalidParameterException"):
            attacker.start(user, deployment.client_id)
        client = users.create_user_pool_client(UserPoolId=deployment.user_pool_id, ClientName="default")
        other = client["UserPoolClient"]["ClientId"]
        try:
            with pytest.raises(users.exceptions.ClientError, match="NotAuthorizedException"):
                attacker.start(user, other)
        finally:
            users.delete_user_pool_client(UserPoolId=deployment.user_pool_id, ClientId=other)

    def test_internal_client_accepts_no_password(self, deployment: Deployment, attacker: Attacker) -> None:
        public, user = deployment.public("cognito-idp"), deployment.make_user()
        with pytest.raises(public.exceptions.NotAuthorizedException):
            attacker.start(user, CHALLENGE_NAME="SRP_A", SRP_A="ab" * 128)
        parameters = {"USERNAME": user, "PASSWORD": "x", "SRP_A": "ab" * 128, **attacker.secret_hash(user)}
        for flow in ("USER_PASSWORD_AUTH", "USER_SRP_AUTH"):
            with pytest.raises(public.exceptions.InvalidParameterException):
                public.initiate_auth(ClientId=attacker.internal_client_id, AuthFlow=flow, AuthParameters=parameters)

    @pytest.mark.parametrize(
        ("operation", "parameters"),
        [
            ("sign_up", {"Password": PASSWORD, "UserAttributes": [{"Name": "email", "Value": "eve@example.com"}]}),
            ("confirm_sign_up", {"ConfirmationCode": "000000"}),
            ("resend_confirmation_code", {}),
            ("forgot_password", {}),
            ("confirm_forgot_password", {"ConfirmationCode": "000000", "Password": PASSWORD}),
            ("initiate_auth", {"AuthFlow": "CUSTOM_AUTH"}),
        ],
    )
    def test_internal_client_needs_its_secret_for_every_operation(
        self, deployment: Deployment, attacker: Attacker, operation: str, parameters: dict[str, Any]
    ) -> None:
        user = f"eve-{secrets.token_hex(4)}" if operation == "sign_up" else deployment.make_user()
        public = deployment.public("cognito-idp")
        subject = {"AuthParameters": {"USERNAME": user}} if operation == "initiate_auth" else {"Username": user}
        with pytest.raises(public.exceptions.NotAuthorizedException, match="secret"):
            getattr(public, operation)(ClientId=attacker.internal_client_id, **subject, **parameters)
        users = deployment.cloud.client("cognito-idp").list_users(
            UserPoolId=deployment.user_pool_id, Filter=f'username = "{user}"'
        )["Users"]
        assert len(users) == (operation != "sign_up")


def test_mac_key_is_denied_to_an_administrator(deployment: Deployment) -> None:
    """The key's policy allows only the functions, so IAM permissions are not enough."""
    kms, key_id = deployment.cloud.client("kms"), _mac_key_id(deployment)
    keys = make_iam_user(deployment.cloud, allow("kms:*"))
    user_arn = deployment.as_user("sts", keys).get_caller_identity()["Arn"]
    administrator = deployment.as_user("kms", keys)
    administrator.describe_key(KeyId=key_id)
    with pytest.raises(kms.exceptions.ClientError, match="AccessDenied"):
        administrator.generate_mac(KeyId=key_id, MacAlgorithm=ALGORITHM, Message=b"x")
    with pytest.raises(kms.exceptions.ClientError, match="AccessDenied"):
        administrator.verify_mac(KeyId=key_id, MacAlgorithm=ALGORITHM, Message=b"x", Mac=bytes(32))
    with pytest.raises(kms.exceptions.ClientError, match="AccessDenied"):
        administrator.create_grant(KeyId=key_id, GranteePrincipal=user_arn, Operations=["GenerateMac"])


class TestRetryQueue:
    """The attacker can write to the retry queue."""

    @pytest.fixture(autouse=True)
    def _empty_queues(self, deployment: Deployment) -> None:
        deployment.drain_queues()

    def test_identity_is_attached_only_with_the_mac_of_its_message(
        self, deployment: Deployment, make_mac: MakeMac
    ) -> None:
        user = deployment.make_user()
        victim = deployment.identity_id(deployment.sign_in(deployment.make_user()))
        deployment.detach(victim)

        def mac_input(identity_id: str) -> bytes:
            return pending_mac_input(
                user_pool_id=deployment.user_pool_id,
                user_name=user,
                sub=_sub(deployment, user),
                identity_id=identity_id,
                fingerprint=deployment.outputs[Output.ATTACHMENT_MARKER],
            )

        challenge = sign_in_mac_input(
            user_pool_id=deployment.user_pool_id, client_id=deployment.client_id, user_name=user, nonce=victim
        )
        another = "us-east-1:11111111-2222-3333-4444-555555555555"
        for mac in (None, secrets.token_bytes(32), make_mac(mac_input(another)), make_mac(challenge)):
            self._send(deployment, user, victim, mac)
            assert deployment.attached_policies(victim) == [], mac
        self._send(deployment, user, victim, make_mac(mac_input(victim)))
        assert deployment.attached_policies(victim) == ["myIoTPolicy"]

    def _send(self, deployment: Deployment, user_name: str, identity_id: str, mac: bytes | None) -> None:
        """Send a message and wait for the worker."""
        body = {
            "version": 1,
            "userPoolId": deployment.user_pool_id,
            "userName": user_name,
            "sub": _sub(deployment, user_name),
            "identityId": identity_id,
            "mac": base64.b64encode(mac).decode() if mac else None,
        }
        deployment.cloud.client("sqs").send_message(
            QueueUrl=deployment.outputs[Output.RETRY_QUEUE_URL], MessageBody=json.dumps(body)
        )
        deployment.wait_until_retry_queue_is_empty()

    def test_new_user_of_a_deleted_name_gets_no_pending_attachment(self, deployment: Deployment) -> None:
        users, user = deployment.cloud.client("cognito-idp"), deployment.make_user()
        with deployment.worker_stopped():
            with deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException")):
                deleted = deployment.identity_id(deployment.sign_in(user))
            assert deployment.messages_in(Output.RETRY_QUEUE_URL) == 1
            users.admin_delete_user(UserPoolId=deployment.user_pool_id, Username=user)
            deployment.make_user(name=user)
        assert deployment.attached_policies(deleted) == []
        assert deployment.marker(user) is None
        identity_id = deployment.identity_id(deployment.sign_in(user))
        assert identity_id != deleted
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]

    def test_worker_may_not_sign_in_users_of_another_pool(self, deployment: Deployment) -> None:
        users, sqs = deployment.cloud.client("cognito-idp"), deployment.cloud.client("sqs")
        other = users.create_user_pool(PoolName="other")["UserPool"]["Id"]
        users.admin_create_user(UserPoolId=other, Username="eve", MessageAction="SUPPRESS")
        body = {"version": 1, "userPoolId": other, "userName": "eve", "sub": None, "identityId": None, "mac": None}
        sqs.send_message(QueueUrl=deployment.outputs[Output.RETRY_QUEUE_URL], MessageBody=json.dumps(body))
        deployment.wait_until_retry_queue_is_empty()
        url = deployment.outputs[Output.DEAD_LETTER_QUEUE_URL]
        (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
        reason = message["MessageAttributes"]["Reason"]["StringValue"]
        # In a new environment the worker reads the internal client's secret first.
        assert reason in {f"{name}: AccessDeniedException" for name in ("AdminInitiateAuth", "DescribeUserPoolClient")}
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        users.delete_user_pool(UserPoolId=other)

    def test_queues_reject_messages_of_signed_in_users(self, deployment: Deployment) -> None:
        tokens = deployment.sign_in(deployment.make_user())
        queues = deployment.as_user("sqs", deployment.credentials(tokens))
        for output in (Output.RETRY_QUEUE_URL, Output.DEAD_LETTER_QUEUE_URL):
            with pytest.raises(queues.exceptions.ClientError, match="AccessDenied"):
                queues.send_message(QueueUrl=deployment.outputs[output], MessageBody="{}")


def _sub(deployment: Deployment, user_name: str) -> str:
    user = deployment.cloud.client("cognito-idp").admin_get_user(UserPoolId=deployment.user_pool_id, Username=user_name)
    return str(next(each["Value"] for each in user["UserAttributes"] if each["Name"] == "sub"))
