"""For each kind of user: what a sign-in does, and whether the IoT policy is attached after it.

Users with MFA are in `test_self_attach_alone.py`, whose deployment allows it.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pycognito.aws_srp import AWSSRP
from pycognito.exceptions import ForceChangePasswordException

from attachment.internal_sign_in import ClientSecrets
from pubsub_cli.checks.update import update_of
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, Deployment, check
from tests.integration.local_cloud.sent_codes import code_sent_by_email
from tests.integration.local_cloud.user_pool import refusal
from tests.jwt import claims

_TEMPORARY = "T3mporary-passw0rd!"
_DISABLED = ("NotAuthorizedException", "User is disabled.")


def test_user_with_a_temporary_password_is_attached_after_changing_it(deployment: Deployment) -> None:
    name = _user_with_temporary_password(deployment)
    lines = len(deployment.trigger_lines())
    with pytest.raises(ForceChangePasswordException):
        _srp(deployment, name, _TEMPORARY).authenticate_user()
    assert len(deployment.trigger_lines()) == lines
    answered = _srp(deployment, name, _TEMPORARY).set_new_password_challenge(PASSWORD)
    assert "IdToken" in answered["AuthenticationResult"]
    assert len(deployment.trigger_lines()) == lines + 1
    # Within that sign-in the user is not yet confirmed and cannot be signed in nested: the retry queue's worker can.
    deployment.wait_until_attached(deployment.identity_id(answered["AuthenticationResult"]))


def test_internal_sign_in_waits_until_a_temporary_password_is_changed(deployment: Deployment) -> None:
    name = _user_with_temporary_password(deployment)
    event = {
        "userPoolId": deployment.user_pool_id,
        "userName": name,
        "callerContext": {"clientId": deployment.client_id},
        "request": {"userAttributes": {}},
    }
    answer = deployment.cloud.client("lambda").invoke(
        FunctionName=deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME], Payload=json.dumps(event)
    )
    assert json.load(answer["Payload"]) == event
    assert _marker(deployment, name) is None
    assert _user(deployment, name)["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    deployment.cloud.client("cognito-idp").admin_set_user_password(
        UserPoolId=deployment.user_pool_id, Username=name, Password=PASSWORD, Permanent=True
    )
    # Nobody signs in: what is owed still is attached once the password is permanent.
    identity_id = _wait_for_the_marker(deployment, name).split("/")[1]
    assert deployment.attached_policies(identity_id) == [deployment.policy_name]


def test_disabled_user_gets_no_tokens_and_stays_attached(deployment: Deployment) -> None:
    name = deployment.make_user()
    tokens = deployment.sign_in(name)
    _expect_attached(deployment, tokens)
    who = {"UserPoolId": deployment.user_pool_id, "Username": name}
    deployment.cloud.client("cognito-idp").admin_disable_user(**who)
    assert refusal(lambda: deployment.sign_in(name)) == _DISABLED
    assert refusal(lambda: _refresh(deployment, tokens)) == _DISABLED
    assert refusal(lambda: _start_internal_sign_in(deployment, name)) == _DISABLED
    _expect_attached(deployment, tokens)
    deployment.cloud.client("cognito-idp").admin_enable_user(**who)
    assert refusal(lambda: _refresh(deployment, tokens))[0] == "NotAuthorizedException"
    _expect_attached(deployment, deployment.sign_in(name))


def test_unconfirmed_user_is_attached_by_the_first_sign_in_after_confirmation(deployment: Deployment) -> None:
    name = f"user-{uuid.uuid4().hex[:10]}"
    email = {"Name": "email", "Value": f"{name}@example.com"}
    deployment.public("cognito-idp").sign_up(
        ClientId=deployment.client_id, Username=name, Password=PASSWORD, UserAttributes=[email]
    )
    lines = len(deployment.trigger_lines())
    unconfirmed = ("UserNotConfirmedException", "User is not confirmed.")
    assert refusal(lambda: deployment.sign_in(name)) == unconfirmed
    assert refusal(lambda: _start_internal_sign_in(deployment, name)) == unconfirmed
    assert len(deployment.trigger_lines()) == lines
    deployment.cloud.client("cognito-idp").admin_confirm_sign_up(UserPoolId=deployment.user_pool_id, Username=name)
    _expect_attached(deployment, deployment.sign_in(name))


def test_user_whose_password_was_reset_is_attached_once_it_is_set(deployment: Deployment) -> None:
    name = deployment.make_user()
    who = {"UserPoolId": deployment.user_pool_id, "Username": name}
    users = deployment.cloud.client("cognito-idp")
    users.admin_reset_user_password(**who)
    lines = len(deployment.trigger_lines())
    assert refusal(lambda: deployment.sign_in(name))[0] == "PasswordResetRequiredException"
    assert len(deployment.trigger_lines()) == lines
    users.admin_set_user_password(**who, Password=PASSWORD, Permanent=True)
    _expect_attached(deployment, deployment.sign_in(name))


def test_name_and_alias_in_any_case_are_one_user_who_is_attached_once(deployment: Deployment) -> None:
    name = deployment.make_user()
    identity_id = deployment.identity_id(deployment.sign_in(f"{name.upper()}@Example.Com"))
    deployment.wait_until_attached(identity_id)
    deployment.wait_until_nothing_is_owed()
    before = deployment.cloud.calls()
    again = [deployment.sign_in(other) for other in (name, name.title(), f"{name}@example.com")]
    assert "iot:AttachPolicy" not in deployment.calls_of(before)
    assert {claims(tokens["IdToken"])["cognito:username"] for tokens in again} == {name}
    assert {deployment.identity_id(tokens) for tokens in again} == {identity_id}


@pytest.fixture(scope="class")
def choice_based(deployment: Deployment) -> Iterator[None]:
    with _choice_based(deployment):
        yield


@pytest.mark.usefixtures("choice_based")
class TestChoiceBasedSignIn:
    """The front end's app client allows nothing else, as a front end with Amplify's ``USER_AUTH`` may have it."""

    @pytest.mark.parametrize("way", ["PASSWORD_SRP", "EMAIL_OTP"])
    def test_sign_in_attaches_and_the_next_is_skipped_by_the_marker(self, deployment: Deployment, way: str) -> None:
        name = deployment.make_user() if way == "PASSWORD_SRP" else _user_without_password(deployment)
        lines = len(deployment.trigger_lines())
        tokens = _sign_in_by_choice(deployment, name, way)
        assert len(deployment.trigger_lines()) == lines + 1
        deployment.wait_until_attached(deployment.identity_id(tokens))
        deployment.wait_until_nothing_is_owed()
        before = deployment.cloud.calls()
        assert deployment.identity_id(_sign_in_by_choice(deployment, name, way)) == deployment.identity_id(tokens)
        assert not {"cognito-idp:AdminInitiateAuth", "iot:AttachPolicy"} & deployment.calls_of(before).keys()

    def test_user_who_signed_up_is_confirmed_and_attached_by_the_first_code(self, deployment: Deployment) -> None:
        name = f"user-{uuid.uuid4().hex[:10]}"
        email = {"Name": "email", "Value": f"{name}@example.com"}
        deployment.public("cognito-idp").sign_up(
            ClientId=deployment.client_id, Username=name, Password=PASSWORD, UserAttributes=[email]
        )
        _expect_attached(deployment, _sign_in_by_choice(deployment, name, "EMAIL_OTP"))

    def test_attachment_waits_while_a_user_with_a_code_has_a_temporary_password(self, deployment: Deployment) -> None:
        name = _user_with_temporary_password(deployment)
        tokens = _sign_in_by_choice(deployment, name, "EMAIL_OTP")
        assert deployment.attached_policies(deployment.identity_id(tokens)) == []
        assert deployment.self_attach(deployment.credentials(tokens)).body["status"] == "repaired"
        deployment.cloud.client("cognito-idp").admin_set_user_password(
            UserPoolId=deployment.user_pool_id, Username=name, Password=PASSWORD, Permanent=True
        )
        _wait_for_the_marker(deployment, name)

    def test_smoke_test_signs_in_by_what_the_app_client_allows(self, deployment: Deployment) -> None:
        document = deployment.smoke()
        assert document["summary"]["exit_code"] == 0, document
        assert [check(document, each)["status"] for each in ("PS116", "PS121", "PS122")] == ["passed"] * 3


class TestSecondAppClient:
    def test_client_that_the_identity_pool_does_not_list_attaches(self, deployment: Deployment) -> None:
        name = deployment.make_user()
        with _app_client(deployment) as client_id:
            tokens = _srp(deployment, name, PASSWORD, client_id).authenticate_user()["AuthenticationResult"]
            refused = refusal(lambda: deployment.identity_id(tokens))
        assert refused[0] == "NotAuthorizedException"
        marker = _marker(deployment, name)
        assert marker is not None
        identity_id = marker.split("/")[1]
        assert deployment.attached_policies(identity_id) == [deployment.policy_name]
        # On the front end's client it is the same identity.
        assert deployment.identity_id(deployment.sign_in(name)) == identity_id

    def test_client_that_the_identity_pool_lists_leads_to_the_same_identity(self, deployment: Deployment) -> None:
        name = deployment.make_user()
        with _app_client(deployment) as client_id, _listed_by_the_identity_pool(deployment, client_id):
            tokens = _srp(deployment, name, PASSWORD, client_id).authenticate_user()["AuthenticationResult"]
            identity_id = deployment.identity_id(tokens)
        assert deployment.attached_policies(identity_id) == [deployment.policy_name]
        assert deployment.identity_id(deployment.sign_in(name)) == identity_id


def test_internal_client_gives_nobody_tokens_and_does_not_say_who_is_missing(deployment: Deployment) -> None:
    def sign_in() -> None:
        asked = _start_internal_sign_in(deployment, "nobody")
        deployment.public("cognito-idp").respond_to_auth_challenge(
            ClientId=_internal_client_id(deployment),
            ChallengeName="CUSTOM_CHALLENGE",
            Session=asked["Session"],
            ChallengeResponses={"USERNAME": "nobody", "ANSWER": "AAAA", **_secret_hash(deployment, "nobody")},
        )

    assert refusal(sign_in)[0] == "NotAuthorizedException"


def _srp(deployment: Deployment, name: str, password: str, client_id: str | None = None) -> AWSSRP:
    """Return a sign-in with a password of one's own, on an app client of one's own."""
    return AWSSRP(
        username=name,
        password=password,
        pool_id=deployment.user_pool_id,
        client_id=client_id or deployment.client_id,
        client=deployment.public("cognito-idp"),
    )


def _user_with_temporary_password(deployment: Deployment) -> str:
    name = deployment.make_user()
    deployment.cloud.client("cognito-idp").admin_set_user_password(
        UserPoolId=deployment.user_pool_id, Username=name, Password=_TEMPORARY, Permanent=False
    )
    return name


def _user_without_password(deployment: Deployment) -> str:
    name = f"user-{uuid.uuid4().hex[:10]}"
    deployment.cloud.client("cognito-idp").admin_create_user(
        UserPoolId=deployment.user_pool_id,
        Username=name,
        MessageAction="SUPPRESS",
        UserAttributes=[
            {"Name": "email", "Value": f"{name}@example.com"},
            {"Name": "email_verified", "Value": "true"},
        ],
    )
    return name


@contextmanager
def _choice_based(deployment: Deployment) -> Iterator[None]:
    """Let the user pool offer codes, and the front end's app client choice-based sign-in only, for the block."""
    users = deployment.cloud.client("cognito-idp")
    pool: Any = users.describe_user_pool(UserPoolId=deployment.user_pool_id)["UserPool"]
    client: Any = users.describe_user_pool_client(UserPoolId=deployment.user_pool_id, ClientId=deployment.client_id)
    client = client["UserPoolClient"]

    def update(policies: Any, flows: list[str]) -> None:
        pool_update = update_of(users, "UpdateUserPool", {**pool, "UserPoolId": pool["Id"]}, {"Policies": policies})
        client_update = update_of(users, "UpdateUserPoolClient", client, {"ExplicitAuthFlows": flows})
        assert not isinstance(pool_update, str), pool_update
        assert not isinstance(client_update, str), client_update
        users.update_user_pool(**pool_update.parameters)
        users.update_user_pool_client(**client_update.parameters)

    offered = {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}
    update(pool["Policies"] | offered, ["ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])
    try:
        yield
    finally:
        update(pool["Policies"], client["ExplicitAuthFlows"])


def _sign_in_by_choice(deployment: Deployment, name: str, way: str) -> dict[str, str]:
    """Sign in as Amplify does with ``USER_AUTH`` and a preferred challenge, and return Cognito's tokens."""
    users, srp = deployment.public("cognito-idp"), deployment.srp(name)
    given = {
        "PASSWORD": {"PASSWORD": PASSWORD},
        "PASSWORD_SRP": {"SRP_A": srp.get_auth_params()["SRP_A"]},
        "EMAIL_OTP": {},
    }
    answer = users.initiate_auth(
        ClientId=deployment.client_id,
        AuthFlow="USER_AUTH",
        AuthParameters={"USERNAME": name, "PREFERRED_CHALLENGE": way, **given[way]},
    )
    if asked := answer.get("ChallengeName"):
        answered = (
            {"USERNAME": name, "EMAIL_OTP_CODE": code_sent_by_email(deployment.cloud, f"{name}@example.com")}
            if asked == "EMAIL_OTP"
            else srp.process_challenge(answer["ChallengeParameters"], srp.get_auth_params())
        )
        answer = users.respond_to_auth_challenge(
            ClientId=deployment.client_id, ChallengeName=asked, Session=answer["Session"], ChallengeResponses=answered
        )
    return dict(answer["AuthenticationResult"])


def _expect_attached(deployment: Deployment, tokens: dict[str, str]) -> None:
    """Wait for the attachment, which the worker makes if the trigger had no time for it."""
    identity_id = deployment.identity_id(tokens)
    deployment.wait_until_attached(identity_id)
    assert deployment.attached_policies(identity_id) == [deployment.policy_name]


def _user(deployment: Deployment, name: str) -> dict[str, Any]:
    return dict(
        deployment.cloud.client("cognito-idp").admin_get_user(UserPoolId=deployment.user_pool_id, Username=name)
    )


def _marker(deployment: Deployment, name: str) -> str | None:
    values = {each["Name"]: each["Value"] for each in _user(deployment, name)["UserAttributes"]}
    return values.get("custom:pubsub_attachment")


def _wait_for_the_marker(deployment: Deployment, name: str, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while (marker := _marker(deployment, name)) is None:
        assert time.monotonic() < deadline, f"{name} was not marked within {seconds:g} s"
        time.sleep(0.2)
    return marker


def _refresh(deployment: Deployment, tokens: dict[str, str]) -> Any:
    return deployment.public("cognito-idp").initiate_auth(
        ClientId=deployment.client_id,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]},
    )


def _internal_client_id(deployment: Deployment) -> str:
    parameter = deployment.cloud.client("ssm").get_parameter(Name=f"/{deployment.app.stack_name}/sign-in-attachment")
    return str(json.loads(parameter["Parameter"]["Value"])["internalClientId"])


def _start_internal_sign_in(deployment: Deployment, name: str) -> Any:
    """Begin as the trigger does."""
    return deployment.cloud.client("cognito-idp").admin_initiate_auth(
        UserPoolId=deployment.user_pool_id,
        ClientId=_internal_client_id(deployment),
        AuthFlow="CUSTOM_AUTH",
        AuthParameters={"USERNAME": name, **_secret_hash(deployment, name)},
    )


def _secret_hash(deployment: Deployment, name: str) -> dict[str, str]:
    client_id = _internal_client_id(deployment)
    return ClientSecrets().secret_hash(deployment.cloud.client("cognito-idp"), deployment.user_pool_id, client_id, name)


@contextmanager
def _app_client(deployment: Deployment, **settings: str) -> Iterator[str]:
    """Make another app client of the user pool for the block, and yield its id."""
    users = deployment.cloud.client("cognito-idp")
    made = users.create_user_pool_client(
        UserPoolId=deployment.user_pool_id,
        ClientName="second",
        ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        **settings,
    )
    client_id = str(made["UserPoolClient"]["ClientId"])
    try:
        yield client_id
    finally:
        users.delete_user_pool_client(UserPoolId=deployment.user_pool_id, ClientId=client_id)


@contextmanager
def _listed_by_the_identity_pool(deployment: Deployment, client_id: str) -> Iterator[None]:
    """Let the identity pool take the app client's tokens for the block."""
    pools = deployment.cloud.client("cognito-identity")
    described = pools.describe_identity_pool(IdentityPoolId=deployment.outputs[Output.IDENTITY_POOL_ID])
    pool: Any = {name: value for name, value in described.items() if name != "ResponseMetadata" and value != ""}
    providers = pool["CognitoIdentityProviders"]
    pools.update_identity_pool(
        **pool | {"CognitoIdentityProviders": [*providers, providers[0] | {"ClientId": client_id}]}
    )
    try:
        yield
    finally:
        pools.update_identity_pool(**pool)
