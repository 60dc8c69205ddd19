"""Every way to tokens through the challenge but the trigger's own, tried and refused."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from attachment.internal_sign_in import ClientSecrets
from attachment.mac import ALGORITHM, sign_in_mac_input
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, Deployment
from tests.e2e.key_thief import KeyThief, stolen_key

_REFUSALS = ("NotAuthorizedException", "InvalidParameterException", "UserNotFoundException", "CodeMismatchException")


@dataclass(frozen=True)
class Challenge:
    """A challenge somebody was given."""

    user_name: str
    session: str
    nonce: str


@dataclass(frozen=True)
class Attacker:
    """Somebody with the public API, the internal client's id, and its secret, which read-only staff can read."""

    deployment: Deployment
    internal_client_id: str

    def secret_hash(self, user_name: str, client_id: str | None) -> dict[str, str]:
        """Return what proves that the internal client's secret is known; other clients have none."""
        if client_id not in (None, self.internal_client_id):
            return {}
        return internal_secret_hash(self.deployment, self.internal_client_id, user_name)

    def start(self, user_name: str, client_id: str | None = None, **parameters: str) -> Challenge:
        answer = self.deployment.public("cognito-idp").initiate_auth(
            ClientId=client_id or self.internal_client_id,
            AuthFlow="CUSTOM_AUTH",
            AuthParameters={"USERNAME": user_name, **self.secret_hash(user_name, client_id), **parameters},
        )
        assert "AuthenticationResult" not in answer
        return Challenge(user_name, answer["Session"], answer["ChallengeParameters"]["nonce"])

    def answer(self, challenge: Challenge, answer: str, client_id: str | None = None) -> dict[str, Any]:
        answered: dict[str, Any] = self.deployment.public("cognito-idp").respond_to_auth_challenge(
            ClientId=client_id or self.internal_client_id,
            ChallengeName="CUSTOM_CHALLENGE",
            ChallengeResponses={
                "USERNAME": challenge.user_name,
                "ANSWER": answer,
                **self.secret_hash(challenge.user_name, client_id),
            },
            Session=challenge.session,
        )
        return answered

    def is_refused(self, challenge: Challenge, answer: str, client_id: str | None = None) -> bool:
        public = self.deployment.public("cognito-idp")
        try:
            answered = self.answer(challenge, answer, client_id)
        except public.exceptions.ClientError as error:
            return error.response["Error"]["Code"] in _REFUSALS
        return "AuthenticationResult" not in answered


def _internal_client_id(deployment: Deployment) -> str:
    parameter = deployment.cloud.client("ssm").get_parameter(Name=f"/{deployment.app.stack_name}/sign-in-attachment")
    return str(json.loads(parameter["Parameter"]["Value"])["internalClientId"])


def internal_secret_hash(deployment: Deployment, client_id: str, user_name: str) -> dict[str, str]:
    """Return the parameter with which the trigger signs a user in on the internal client."""
    return ClientSecrets().secret_hash(
        deployment.cloud.client("cognito-idp"), deployment.user_pool_id, client_id, user_name
    )


@pytest.fixture(scope="module")
def attacker(deployment: Deployment) -> Attacker:
    return Attacker(deployment, _internal_client_id(deployment))


@pytest.fixture
def thief(deployment: Deployment) -> Iterator[KeyThief]:
    with stolen_key(deployment) as thief:
        yield thief


def _mac(thief: KeyThief, challenge: Challenge, **other: str) -> str:
    parts = {
        "user_pool_id": thief.deployment.user_pool_id,
        "client_id": _internal_client_id(thief.deployment),
        "user_name": challenge.user_name,
        "nonce": challenge.nonce,
    }
    return base64.b64encode(thief.mac(sign_in_mac_input(**(parts | other)))).decode()


def test_the_right_mac_gives_tokens(deployment: Deployment, attacker: Attacker, thief: KeyThief) -> None:
    challenge = attacker.start(deployment.make_user())
    assert "AuthenticationResult" in attacker.answer(challenge, _mac(thief, challenge))


def test_a_mac_is_good_for_one_challenge(deployment: Deployment, attacker: Attacker, thief: KeyThief) -> None:
    user = deployment.make_user()
    first, second = attacker.start(user), attacker.start(user)
    mac = _mac(thief, first)
    assert attacker.is_refused(second, mac)
    assert "AuthenticationResult" in attacker.answer(first, mac)
    assert attacker.is_refused(first, mac)


def test_a_mac_is_good_for_one_user(deployment: Deployment, attacker: Attacker, thief: KeyThief) -> None:
    ada, eve = deployment.make_user(), deployment.make_user()
    victim = attacker.start(ada)
    assert attacker.is_refused(victim, _mac(thief, victim, user_name=eve))


def test_a_mac_is_good_for_one_pool_and_one_client(deployment: Deployment, attacker: Attacker, thief: KeyThief) -> None:
    challenge = attacker.start(deployment.make_user())
    assert attacker.is_refused(challenge, _mac(thief, challenge, user_pool_id="us-east-1_other"))
    challenge = attacker.start(deployment.make_user())
    assert attacker.is_refused(challenge, _mac(thief, challenge, client_id=deployment.client_id))


def test_any_answer_but_the_mac_uses_up_the_one_attempt(deployment: Deployment, attacker: Attacker) -> None:
    challenge = attacker.start(deployment.make_user())
    for _ in range(2):
        assert attacker.is_refused(challenge, base64.b64encode(secrets.token_bytes(32)).decode())


def test_the_front_ends_client_does_not_begin_a_challenge(deployment: Deployment, attacker: Attacker) -> None:
    public = deployment.public("cognito-idp")
    with pytest.raises(public.exceptions.InvalidParameterException):
        attacker.start(deployment.make_user(), client_id=deployment.client_id)


def test_a_client_that_allows_the_flow_by_default_is_failed_at_once(deployment: Deployment, attacker: Attacker) -> None:
    users = deployment.cloud.client("cognito-idp")
    client = users.create_user_pool_client(UserPoolId=deployment.user_pool_id, ClientName="by-hand")
    other = client["UserPoolClient"]["ClientId"]
    try:
        public = deployment.public("cognito-idp")
        with pytest.raises(public.exceptions.NotAuthorizedException):
            attacker.start(deployment.make_user(), client_id=other)
    finally:
        users.delete_user_pool_client(UserPoolId=deployment.user_pool_id, ClientId=other)


def test_a_password_proof_in_the_flow_is_failed(deployment: Deployment, attacker: Attacker) -> None:
    public = deployment.public("cognito-idp")
    with pytest.raises(public.exceptions.NotAuthorizedException):
        attacker.start(deployment.make_user(), CHALLENGE_NAME="SRP_A", SRP_A="ab" * 128)


@pytest.mark.parametrize("flow", ["USER_PASSWORD_AUTH", "USER_SRP_AUTH"])
def test_the_internal_client_takes_no_password(deployment: Deployment, attacker: Attacker, flow: str) -> None:
    public = deployment.public("cognito-idp")
    with pytest.raises(public.exceptions.InvalidParameterException):
        public.initiate_auth(
            ClientId=attacker.internal_client_id,
            AuthFlow=flow,
            AuthParameters={
                "USERNAME": (user := deployment.make_user()),
                "PASSWORD": "x",
                "SRP_A": "ab" * 128,
                **attacker.secret_hash(user, None),
            },
        )


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
def test_nothing_can_be_done_on_the_internal_client_without_its_secret(
    deployment: Deployment, attacker: Attacker, operation: str, parameters: dict[str, Any]
) -> None:
    user = f"eve-{secrets.token_hex(4)}" if operation == "sign_up" else deployment.make_user()
    public = deployment.public("cognito-idp")
    who = {"AuthParameters": {"USERNAME": user}} if operation == "initiate_auth" else {"Username": user}
    with pytest.raises(public.exceptions.NotAuthorizedException, match="secret"):
        getattr(public, operation)(ClientId=attacker.internal_client_id, **who, **parameters)
    users = deployment.cloud.client("cognito-idp").list_users(
        UserPoolId=deployment.user_pool_id, Filter=f'username = "{user}"'
    )["Users"]
    assert len(users) == (operation != "sign_up")


def test_only_the_two_functions_may_use_the_key(deployment: Deployment) -> None:
    """An administrator by IAM alone, which the key's policy does not let in."""
    iam, kms = deployment.cloud.client("iam"), deployment.cloud.client("kms")
    function = deployment.cloud.client("lambda").get_function_configuration(
        FunctionName=deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
    )
    key_id = function["Environment"]["Variables"]["MAC_KEY_ID"]
    user_arn = iam.create_user(UserName="administrator")["User"]["Arn"]
    iam.put_user_policy(
        UserName="administrator",
        PolicyName="all",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
        ),
    )
    key = iam.create_access_key(UserName="administrator")["AccessKey"]
    try:
        administrator = boto3.client(
            "kms",
            region_name=deployment.cloud.region,
            endpoint_url=deployment.cloud.endpoint_url,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )
        administrator.describe_key(KeyId=key_id)
        with pytest.raises(kms.exceptions.ClientError, match="AccessDenied"):
            administrator.generate_mac(KeyId=key_id, MacAlgorithm=ALGORITHM, Message=b"x")
        with pytest.raises(kms.exceptions.ClientError, match="AccessDenied"):
            administrator.verify_mac(KeyId=key_id, MacAlgorithm=ALGORITHM, Message=b"x", Mac=bytes(32))
        with pytest.raises(kms.exceptions.ClientError, match="AccessDenied"):
            administrator.create_grant(KeyId=key_id, GranteePrincipal=user_arn, Operations=["GenerateMac"])
    finally:
        iam.delete_access_key(UserName="administrator", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="administrator", PolicyName="all")
        iam.delete_user(UserName="administrator")
