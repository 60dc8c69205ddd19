"""A sign-in with only boto3 and pycognito, as any application makes it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tests.jwt import claims

_MARKER = "custom:pubsub_attachment"
_SIGN_IN = {"cognito-idp:InitiateAuth": 1, "cognito-idp:RespondToAuthChallenge": 1}


def test_first_sign_in_makes_each_call_of_the_chain_once_and_the_next_none(deployment: Deployment) -> None:
    deployment.sign_in(deployment.make_user())  # the functions are warm and have read their configuration
    user = deployment.make_user()
    before = deployment.cloud.calls()
    deployment.sign_in(user)
    chain = {
        "cognito-idp:AdminInitiateAuth": 1,
        "kms:GenerateMac": 1,
        "cognito-idp:AdminRespondToAuthChallenge": 1,
        "kms:VerifyMac": 1,
        "cognito-identity:GetId": 1,
        "iot:AttachPolicy": 1,
        "cognito-idp:AdminUpdateUserAttributes": 1,
    }
    called = {name: count for name, count in deployment.calls_of(before).items() if name != "ssm:GetParameters"}
    assert called == _SIGN_IN | chain
    before = deployment.cloud.calls()
    tokens = deployment.sign_in(user)
    assert deployment.calls_of(before) == _SIGN_IN
    assert deployment.attached_policies(deployment.identity_id(tokens)) == ["myIoTPolicy"]


def test_refresh_does_not_invoke_the_trigger(deployment: Deployment) -> None:
    tokens = deployment.sign_in(deployment.make_user())
    lines = len(deployment.trigger_lines())
    deployment.public("cognito-idp").initiate_auth(
        ClientId=deployment.client_id,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]},
    )
    assert len(deployment.trigger_lines()) == lines


def test_marker_is_in_no_token_and_cannot_be_read_by_users(deployment: Deployment) -> None:
    user = deployment.make_user()
    deployment.sign_in(user)
    deployment.wait_until_retry_queue_is_empty()
    tokens = deployment.sign_in(user)
    for token in (tokens["IdToken"], tokens["AccessToken"]):
        assert _MARKER not in claims(token)
    seen = deployment.public("cognito-idp").get_user(AccessToken=tokens["AccessToken"])["UserAttributes"]
    assert _MARKER not in {attribute["Name"] for attribute in seen}
    assert _marker(deployment, user).startswith(deployment.outputs[Output.ATTACHMENT_MARKER] + "/")


def test_marker_cannot_be_written_by_users(deployment: Deployment) -> None:
    public = deployment.public("cognito-idp")
    tokens = deployment.sign_in(deployment.make_user())
    forged = [{"Name": _MARKER, "Value": f"{deployment.outputs[Output.ATTACHMENT_MARKER]}/x/{int(time.time())}"}]
    with pytest.raises(public.exceptions.NotAuthorizedException):
        public.update_user_attributes(AccessToken=tokens["AccessToken"], UserAttributes=forged)
    with pytest.raises(public.exceptions.NotAuthorizedException):
        public.sign_up(
            ClientId=deployment.client_id,
            Username="mallory",
            Password="Sup3r-secret-passw0rd!",  # noqa: S106
            UserAttributes=[{"Name": "email", "Value": "mallory@example.com"}, *forged],
        )


@pytest.fixture
def denied(deployment: Deployment) -> Iterator[None]:
    """Remove iot:AttachPolicy from the trigger's role; the worker's role keeps it."""
    with deployment.trigger_without_attach_policy():
        yield


@pytest.mark.usefixtures("denied")
def test_sign_in_succeeds_without_a_permission_and_the_worker_attaches(deployment: Deployment) -> None:
    tokens = deployment.sign_in(deployment.make_user())
    line = deployment.trigger_lines()[-1]
    assert (line["outcome"], line["reason"], line["Queued"]) == ("Queued", "AttachPolicy: AccessDeniedException", 1)
    deployment.wait_until_attached(deployment.identity_id(tokens))


def _marker(deployment: Deployment, user: str) -> str:
    found = deployment.cloud.client("cognito-idp").admin_get_user(UserPoolId=deployment.user_pool_id, Username=user)
    return str({each["Name"]: each["Value"] for each in found["UserAttributes"]}[_MARKER])
