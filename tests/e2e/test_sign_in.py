"""A sign-in with only boto3 and pycognito, as in any application, and a connection as Amplify JS opens it."""

from __future__ import annotations

import time
import uuid

import pytest

from pubsub_client.outputs import MARKER_ATTRIBUTE, Output
from tests.e2e.conftest import PASSWORD, Deployment
from tests.integration.local_cloud.mqtt import Message, Token, Version, websocket
from tests.tokens import claims

_MARKER = f"custom:{MARKER_ATTRIBUTE}"
_SIGN_IN = {"cognito-idp:InitiateAuth": 1, "cognito-idp:RespondToAuthChallenge": 1}


def test_first_sign_in_makes_each_call_of_the_chain_once_and_the_next_none(deployment: Deployment) -> None:
    deployment.sign_in(deployment.make_user())  # so that the functions are warm and have read their configuration
    user = deployment.make_user()
    lines, before = len(deployment.trigger_lines()), deployment.cloud.calls()
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
    called = {name: count for name, count in deployment.calls_since(before).items() if name != "ssm:GetParameters"}
    assert called == _SIGN_IN | chain
    before = deployment.cloud.calls()
    tokens = deployment.sign_in(user)
    assert deployment.calls_since(before) == _SIGN_IN
    assert deployment.attached_policies(deployment.identity_id(tokens)) == ["myIoTPolicy"]
    assert [line["outcome"] for line in deployment.trigger_lines()[lines:]] == ["Attached", "Skipped"]
    _refresh(deployment, tokens)
    assert len(deployment.trigger_lines()) == lines + 2, "a refresh invokes the trigger"


def _refresh(deployment: Deployment, tokens: dict[str, str]) -> None:
    deployment.public("cognito-idp").initiate_auth(
        ClientId=deployment.client_id,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]},
    )


def test_marker_cannot_be_read_or_written_by_users(deployment: Deployment) -> None:
    user, public = deployment.make_user(), deployment.public("cognito-idp")
    deployment.sign_in(user)
    deployment.wait_until_retry_queue_is_empty()
    tokens = deployment.sign_in(user)
    assert str(deployment.marker(user)).startswith(deployment.outputs[Output.ATTACHMENT_MARKER] + "/")
    for token in (tokens["IdToken"], tokens["AccessToken"]):
        assert _MARKER not in claims(token)
    seen = public.get_user(AccessToken=tokens["AccessToken"])["UserAttributes"]
    assert _MARKER not in {attribute["Name"] for attribute in seen}
    forged = [{"Name": _MARKER, "Value": f"{deployment.outputs[Output.ATTACHMENT_MARKER]}/x/{int(time.time())}"}]
    with pytest.raises(public.exceptions.NotAuthorizedException):
        public.update_user_attributes(AccessToken=tokens["AccessToken"], UserAttributes=forged)
    email = {"Name": "email", "Value": "mallory@example.com"}
    with pytest.raises(public.exceptions.NotAuthorizedException):
        public.sign_up(
            ClientId=deployment.client_id, Username="mallory", Password=PASSWORD, UserAttributes=[email, *forged]
        )


def test_marker_of_another_policy_generation_is_ignored(deployment: Deployment) -> None:
    stale = f"{deployment.outputs[Output.ATTACHMENT_MARKER]}x/us-east-1:0/{int(time.time())}"
    user = deployment.make_user(**{_MARKER: stale})
    deployment.wait_until_attached(deployment.identity_id(deployment.sign_in(user)))
    deployment.wait_until_retry_queue_is_empty()
    assert deployment.marker(user) != stale


def test_sign_in_succeeds_without_a_permission_and_the_worker_attaches(deployment: Deployment) -> None:
    trigger = deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
    with deployment.action_denied("iot:AttachPolicy", trigger):
        tokens = deployment.sign_in(deployment.make_user())
        line = deployment.trigger_lines()[-1]
        assert (line["outcome"], line["reason"], line["Queued"]) == ("Queued", "AttachPolicy: AccessDeniedException", 1)
        deployment.wait_until_attached(deployment.identity_id(tokens))


def test_signed_in_user_connects_as_amplify_js_and_reaches_no_reserved_topics(deployment: Deployment) -> None:
    """MQTT 3.1, with the session token after the signature. The IoT policy by itself would allow reserved topics."""
    credentials = deployment.credentials(deployment.sign_in(deployment.make_user()))
    amplify = (Version.MQTT_31, Token.APPENDED)
    with websocket(deployment.cloud, credentials, *amplify) as mqtt:
        assert mqtt.subprotocol == "mqttv3.1"
        assert mqtt.connect(str(uuid.uuid4())) == 0
        assert mqtt.subscribe("chat/#") == 0
        assert mqtt.publish("chat/room", b'{"text":"hello"}') == 0
        assert mqtt.message() == Message("chat/room", b'{"text":"hello"}')
        assert mqtt.subscribe("$aws/things/lamp/shadow/update/accepted") is None
    with websocket(deployment.cloud, credentials, *amplify) as mqtt:
        assert mqtt.connect(str(uuid.uuid4())) == 0
        assert mqtt.publish("$aws/things/lamp/shadow/update") is None
