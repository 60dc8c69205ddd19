"""Kinds of users: whether the sign-in succeeds, and whether it attaches the IoT policy.

`test_self_attach_only.py` tests users with MFA, because its deployment allows MFA.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from pycognito.exceptions import ForceChangePasswordException

from attachment.internal_sign_in import ClientSecrets
from pubsub_cli.cognito_updates import update_of
from tests.e2e.conftest import PASSWORD, Deployment, check
from tests.integration.local_cloud.account import wait_until
from tests.integration.local_cloud.user_pool import code_sent_by_email, error_of
from tests.tokens import claims

_TEMPORARY = "T3mporary-passw0rd!"
_DISABLED = ("NotAuthorizedException", "User is disabled.")


def test_user_with_temporary_password_is_attached_after_changing_it(deployment: Deployment) -> None:
    name = _user_with_temporary_password(deployment)
    lines = len(deployment.trigger_lines())
    with pytest.raises(ForceChangePasswordException):
        deployment.srp(name, _TEMPORARY).authenticate_user()
    assert len(deployment.trigger_lines()) == lines
    answered = deployment.srp(name, _TEMPORARY).set_new_password_challenge(PASSWORD)
    assert "IdToken" in answered["AuthenticationResult"]
    assert len(deployment.trigger_lines()) == lines + 1
    # The user is not confirmed during that sign-in, so the internal sign-in fails. The worker repeats it.
    deployment.wait_until_attached(deployment.identity_id(answered["AuthenticationResult"]))


def test_disabled_user_gets_no_tokens_and_stays_attached(deployment: Deployment) -> None:
    name = deployment.make_user()
    tokens = deployment.sign_in(name)
    _expect_attached(deployment, tokens)
    who = {"UserPoolId": deployment.user_pool_id, "Username": name}
    users = deployment.cloud.client("cognito-idp")
    users.admin_disable_user(**who)
    assert error_of(lambda: deployment.sign_in(name)) == _DISABLED
    assert error_of(lambda: _refresh(deployment, tokens)) == _DISABLED
    client_id = deployment.internal_client_id
    secret_hash = ClientSecrets().secret_hash(users, deployment.user_pool_id, client_id, name)
    internal = {"AuthFlow": "CUSTOM_AUTH", "AuthParameters": {"USERNAME": name, **secret_hash}}
    start = partial(users.admin_initiate_auth, UserPoolId=deployment.user_pool_id, ClientId=client_id, **internal)
    assert error_of(start) == _DISABLED
    _expect_attached(deployment, tokens)
    users.admin_enable_user(**who)
    assert error_of(lambda: _refresh(deployment, tokens))[0] == "NotAuthorizedException"
    _expect_attached(deployment, deployment.sign_in(name))


def test_user_names_and_aliases_in_any_case_are_one_user(deployment: Deployment) -> None:
    name = deployment.make_user()
    identity_id = deployment.identity_id(deployment.sign_in(f"{name.upper()}@Example.Com"))
    deployment.wait_until_attached(identity_id)
    deployment.wait_until_retry_queue_is_empty()
    before = deployment.cloud.calls()
    again = [deployment.sign_in(other) for other in (name, name.title(), f"{name}@example.com")]
    assert "iot:AttachPolicy" not in deployment.calls_since(before)
    assert {claims(tokens["IdToken"])["cognito:username"] for tokens in again} == {name}
    assert {deployment.identity_id(tokens) for tokens in again} == {identity_id}


@pytest.fixture(scope="class")
def choice_based(deployment: Deployment) -> Iterator[None]:
    """Let the user pool offer codes, and the app client only choice-based sign-in."""
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
    yield
    update(pool["Policies"], client["ExplicitAuthFlows"])


@pytest.mark.usefixtures("choice_based")
class TestChoiceBasedSignIn:
    """The app client allows only choice-based sign-in, which Amplify calls ``USER_AUTH``."""

    @pytest.mark.parametrize("challenge", ["PASSWORD_SRP", "EMAIL_OTP"])
    def test_choice_based_sign_in_attaches_once(self, deployment: Deployment, challenge: str) -> None:
        name = deployment.make_user() if challenge == "PASSWORD_SRP" else _user_without_password(deployment)
        lines = len(deployment.trigger_lines())
        tokens = _sign_in_by_choice(deployment, name, challenge)
        assert len(deployment.trigger_lines()) == lines + 1
        deployment.wait_until_attached(deployment.identity_id(tokens))
        deployment.wait_until_retry_queue_is_empty()
        before = deployment.cloud.calls()
        assert deployment.identity_id(_sign_in_by_choice(deployment, name, challenge)) == deployment.identity_id(tokens)
        assert not {"cognito-idp:AdminInitiateAuth", "iot:AttachPolicy"} & deployment.calls_since(before).keys()

    def test_new_user_is_confirmed_and_attached_by_the_first_code(self, deployment: Deployment) -> None:
        name = f"user-{uuid.uuid4().hex[:10]}"
        email = {"Name": "email", "Value": f"{name}@example.com"}
        deployment.public("cognito-idp").sign_up(
            ClientId=deployment.client_id, Username=name, Password=PASSWORD, UserAttributes=[email]
        )
        _expect_attached(deployment, _sign_in_by_choice(deployment, name, "EMAIL_OTP"))

    def test_attachment_waits_for_a_permanent_password_after_a_code(self, deployment: Deployment) -> None:
        name, users = _user_with_temporary_password(deployment), deployment.cloud.client("cognito-idp")
        who = {"UserPoolId": deployment.user_pool_id, "Username": name}
        tokens = _sign_in_by_choice(deployment, name, "EMAIL_OTP")
        assert deployment.attached_policies(deployment.identity_id(tokens)) == []
        assert users.admin_get_user(**who)["UserStatus"] == "FORCE_CHANGE_PASSWORD"
        assert deployment.self_attach(deployment.credentials(tokens)).body["status"] == "repaired"
        users.admin_set_user_password(**who, Password=PASSWORD, Permanent=True)
        # The worker attaches without another sign-in.
        wait_until(lambda: deployment.marker(name) is not None, f"{name} has a marker")

    def test_smoke_uses_the_sign_in_flow_of_the_app_client(self, deployment: Deployment) -> None:
        document = deployment.smoke()
        assert document["summary"]["exit_code"] == 0, document
        assert [check(document, each)["status"] for each in ("PS116", "PS121", "PS122")] == ["passed"] * 3


def test_sign_in_on_an_unlisted_app_client_attaches(deployment: Deployment) -> None:
    name, users = deployment.make_user(), deployment.cloud.client("cognito-idp")
    made = users.create_user_pool_client(
        UserPoolId=deployment.user_pool_id,
        ClientName="second",
        ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    )
    client_id = made["UserPoolClient"]["ClientId"]
    tokens = deployment.srp(name, PASSWORD, client_id).authenticate_user()["AuthenticationResult"]
    assert error_of(lambda: deployment.identity_id(tokens))[0] == "NotAuthorizedException"
    users.delete_user_pool_client(UserPoolId=deployment.user_pool_id, ClientId=client_id)
    marker = deployment.marker(name)
    assert marker is not None
    identity_id = marker.split("/")[1]
    assert deployment.attached_policies(identity_id) == [deployment.policy_name]
    assert deployment.identity_id(deployment.sign_in(name)) == identity_id


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


def _sign_in_by_choice(deployment: Deployment, name: str, challenge: str) -> dict[str, str]:
    """Sign in as Amplify does with ``USER_AUTH`` and a preferred challenge, and return Cognito's tokens."""
    users, srp = deployment.public("cognito-idp"), deployment.srp(name)
    parameters: dict[str, dict[str, str]] = {
        "PASSWORD_SRP": {"SRP_A": srp.get_auth_params()["SRP_A"]},
        "EMAIL_OTP": {},
    }
    answer = users.initiate_auth(
        ClientId=deployment.client_id,
        AuthFlow="USER_AUTH",
        AuthParameters={"USERNAME": name, "PREFERRED_CHALLENGE": challenge, **parameters[challenge]},
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
    """Wait for the attachment by the trigger or the worker."""
    identity_id = deployment.identity_id(tokens)
    deployment.wait_until_attached(identity_id)
    assert deployment.attached_policies(identity_id) == [deployment.policy_name]


def _refresh(deployment: Deployment, tokens: dict[str, str]) -> Any:
    return deployment.public("cognito-idp").initiate_auth(
        ClientId=deployment.client_id,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]},
    )
