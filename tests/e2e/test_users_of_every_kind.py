"""For each kind of user: what a sign-in does, and whether the IoT policy is attached after it.

One deployment that allows second factors serves them all. Nothing here asks by which way a policy was attached.
"""

from __future__ import annotations

import json
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pycognito.aws_srp import AWSSRP
from pycognito.exceptions import ForceChangePasswordException

from attachment.nested_sign_in import ClientSecrets
from pubsub_client.checks.update import update_of
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, Deployment, check, deploy_environment
from tests.e2e.totp import set_up_totp, sign_in_with_totp, totp
from tests.integration.local_cloud.sent_codes import code_sent_by_email
from tests.integration.local_cloud.user_pool import refusal
from tests.jwt import claims

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_cloud.process import LocalCloud

_TEMPORARY = "T3mporary-passw0rd!"
_WRONG = ("NotAuthorizedException", "Incorrect username or password.")
_DISABLED = ("NotAuthorizedException", "User is disabled.")


@pytest.fixture(scope="module")
def kinds(account: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = deploy_environment(account, tmp_path_factory.mktemp("kinds"), "kinds", {"mfa": "optional"})
    deployment.sign_in(deployment.make_user())  # the functions are warm
    yield deployment
    deployment.app.destroy()  # the account is shared


def test_a_temporary_password_is_changed_first_and_then_the_user_is_attached(kinds: Deployment) -> None:
    name = _user_with_temporary_password(kinds)
    lines = len(kinds.trigger_lines())
    with pytest.raises(ForceChangePasswordException):
        _srp(kinds, name, _TEMPORARY).authenticate_user()
    assert len(kinds.trigger_lines()) == lines
    answered = _srp(kinds, name, _TEMPORARY).set_new_password_challenge(PASSWORD)
    assert "IdToken" in answered["AuthenticationResult"]
    assert len(kinds.trigger_lines()) == lines + 1
    # Within that sign-in the user is not yet confirmed and cannot be signed in nested: the retry queue's worker can.
    kinds.wait_until_attached(kinds.identity_id(answered["AuthenticationResult"]))


def test_a_nested_sign_in_does_not_step_around_a_temporary_password_but_waits(kinds: Deployment) -> None:
    name = _user_with_temporary_password(kinds)
    event = {
        "userPoolId": kinds.user_pool_id,
        "userName": name,
        "callerContext": {"clientId": kinds.client_id},
        "request": {"userAttributes": {}},
    }
    answer = kinds.cloud.client("lambda").invoke(
        FunctionName=kinds.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME], Payload=json.dumps(event)
    )
    assert json.load(answer["Payload"]) == event
    assert _marker(kinds, name) is None
    assert _user(kinds, name)["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    kinds.cloud.client("cognito-idp").admin_set_user_password(
        UserPoolId=kinds.user_pool_id, Username=name, Password=PASSWORD, Permanent=True
    )
    # Nobody signs in: what is owed still is attached once the password is permanent.
    identity_id = _wait_for_the_marker(kinds, name).split("/")[1]
    assert kinds.attached_policies(identity_id) == [kinds.policy_name]


class TestSecondFactor:
    def test_a_user_who_sets_it_up_stays_attached(self, kinds: Deployment) -> None:
        name = kinds.make_user()
        secret = set_up_totp(kinds, name)
        assert _factors(kinds, name) == ["SOFTWARE_TOKEN_MFA"]
        assert _is_attached(kinds, sign_in_with_totp(kinds, name, secret))

    def test_the_trigger_runs_after_the_code_and_signs_nobody_in_nested(self, kinds: Deployment) -> None:
        name, secret = self._detached(kinds)
        lines, before = len(kinds.trigger_lines()), kinds.cloud.calls()
        asked = self._asked_for_the_code(kinds, name)
        assert len(kinds.trigger_lines()) == lines
        tokens = self._give_the_code(kinds, name, asked, totp(secret))
        assert len(kinds.trigger_lines()) == lines + 1
        # A nested sign-in could have a code sent to the user.
        assert "cognito-idp:AdminInitiateAuth" not in kinds.calls_of(before)
        assert not _is_attached(kinds, tokens)

    def test_the_id_token_attaches_the_user(self, kinds: Deployment) -> None:
        name, secret = self._detached(kinds)
        tokens = sign_in_with_totp(kinds, name, secret)
        assert kinds.pubsub("attach", "--id-token", "-", stdin=tokens["IdToken"]).returncode == 0
        assert _is_attached(kinds, tokens)

    def test_the_doctor_asks_for_the_id_token_in_place_of_the_password(self, kinds: Deployment) -> None:
        name = kinds.make_user()
        secret = set_up_totp(kinds, name)
        done = kinds.pubsub("doctor", "--user", name, "--password-stdin", "--json", stdin=PASSWORD)
        found = {each["id"]: each for each in json.loads(done.stdout)["checks"]}
        assert (done.returncode, found["PS121"]["status"]) == (0, "skipped")
        assert "SOFTWARE_TOKEN_MFA" in found["PS121"]["cause"]
        tokens = sign_in_with_totp(kinds, name, secret)
        assert kinds.pubsub("doctor", "--id-token", "-", stdin=tokens["IdToken"]).returncode == 0

    def test_neither_a_wrong_code_nor_a_code_without_the_password_signs_in(self, kinds: Deployment) -> None:
        name, secret = self._detached(kinds)
        asked = self._asked_for_the_code(kinds, name)
        wrong = refusal(lambda: self._give_the_code(kinds, name, asked, "000000"))
        without = refusal(lambda: self._give_the_code(kinds, name, {"Session": "x" * 40}, totp(secret)))
        assert (wrong[0], without[0]) == ("CodeMismatchException", "NotAuthorizedException")

    @staticmethod
    def _detached(kinds: Deployment) -> tuple[str, str]:
        """Return a user with a second factor, and its secret, whom nothing is attached to and who has no marker."""
        name = kinds.make_user()
        secret = set_up_totp(kinds, name)
        assert kinds.pubsub("detach", "--user", name).returncode == 0
        return name, secret

    @staticmethod
    def _asked_for_the_code(kinds: Deployment, name: str) -> dict[str, Any]:
        srp, users = kinds.srp(name), kinds.public("cognito-idp")
        started = users.initiate_auth(
            ClientId=kinds.client_id, AuthFlow="USER_SRP_AUTH", AuthParameters=srp.get_auth_params()
        )
        asked: dict[str, Any] = users.respond_to_auth_challenge(
            ClientId=kinds.client_id,
            ChallengeName="PASSWORD_VERIFIER",
            ChallengeResponses=srp.process_challenge(started["ChallengeParameters"], srp.get_auth_params()),
        )
        assert asked["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
        return asked

    @staticmethod
    def _give_the_code(kinds: Deployment, name: str, asked: dict[str, Any], code: str) -> dict[str, str]:
        answer = kinds.public("cognito-idp").respond_to_auth_challenge(
            ClientId=kinds.client_id,
            ChallengeName="SOFTWARE_TOKEN_MFA",
            Session=asked["Session"],
            ChallengeResponses={"USERNAME": name, "SOFTWARE_TOKEN_MFA_CODE": code},
        )
        return dict(answer["AuthenticationResult"])


def test_a_disabled_user_gets_no_tokens_by_any_way_and_the_attachment_stays(kinds: Deployment) -> None:
    name = kinds.make_user()
    tokens = kinds.sign_in(name)
    kinds.cloud.client("cognito-idp").admin_disable_user(UserPoolId=kinds.user_pool_id, Username=name)
    assert refusal(lambda: kinds.sign_in(name)) == _DISABLED
    assert refusal(lambda: _refresh(kinds, tokens)) == _DISABLED
    assert refusal(lambda: _start_nested_sign_in(kinds, name)) == _DISABLED
    assert _is_attached(kinds, tokens)


def test_enabled_again_the_user_signs_in_and_old_tokens_stay_void(kinds: Deployment) -> None:
    name = kinds.make_user()
    tokens = kinds.sign_in(name)
    who = {"UserPoolId": kinds.user_pool_id, "Username": name}
    kinds.cloud.client("cognito-idp").admin_disable_user(**who)
    kinds.cloud.client("cognito-idp").admin_enable_user(**who)
    assert refusal(lambda: _refresh(kinds, tokens))[0] == "NotAuthorizedException"
    assert _is_attached(kinds, kinds.sign_in(name))


def test_an_unconfirmed_user_is_attached_by_the_first_sign_in_after_the_confirmation(kinds: Deployment) -> None:
    name = f"user-{uuid.uuid4().hex[:10]}"
    email = {"Name": "email", "Value": f"{name}@example.com"}
    kinds.public("cognito-idp").sign_up(
        ClientId=kinds.client_id, Username=name, Password=PASSWORD, UserAttributes=[email]
    )
    lines = len(kinds.trigger_lines())
    unconfirmed = ("UserNotConfirmedException", "User is not confirmed.")
    assert refusal(lambda: kinds.sign_in(name)) == unconfirmed
    assert refusal(lambda: _start_nested_sign_in(kinds, name)) == unconfirmed
    assert len(kinds.trigger_lines()) == lines
    kinds.cloud.client("cognito-idp").admin_confirm_sign_up(UserPoolId=kinds.user_pool_id, Username=name)
    assert _is_attached(kinds, kinds.sign_in(name))


def test_a_password_that_was_reset_keeps_the_user_out_until_it_is_set(kinds: Deployment) -> None:
    name = kinds.make_user()
    who = {"UserPoolId": kinds.user_pool_id, "Username": name}
    users = kinds.cloud.client("cognito-idp")
    users.admin_reset_user_password(**who)
    lines = len(kinds.trigger_lines())
    assert refusal(lambda: kinds.sign_in(name))[0] == "PasswordResetRequiredException"
    assert len(kinds.trigger_lines()) == lines
    users.admin_set_user_password(**who, Password=PASSWORD, Permanent=True)
    assert _is_attached(kinds, kinds.sign_in(name))


@pytest.mark.parametrize("first", ["{name}", "{NAME}", "{name}@example.com", "{NAME}@Example.Com"])
def test_name_and_alias_in_any_case_are_one_user_who_is_attached_once(kinds: Deployment, first: str) -> None:
    name = kinds.make_user()
    identity_id = kinds.identity_id(kinds.sign_in(first.format(name=name, NAME=name.upper())))
    assert kinds.attached_policies(identity_id) == [kinds.policy_name]
    before = kinds.cloud.calls()
    again = [kinds.sign_in(other) for other in (name, name.title(), f"{name.upper()}@example.com")]
    assert "iot:AttachPolicy" not in kinds.calls_of(before)
    assert {claims(tokens["IdToken"])["cognito:username"] for tokens in again} == {name}
    assert {kinds.identity_id(tokens) for tokens in again} == {identity_id}


@pytest.fixture(scope="class")
def choice_based(kinds: Deployment) -> Iterator[None]:
    with _choice_based(kinds):
        yield


@pytest.mark.usefixtures("choice_based")
class TestChoiceBasedSignIn:
    """The front end's app client allows nothing else, as a front end with Amplify's ``USER_AUTH`` may have it."""

    @pytest.mark.parametrize("way", ["PASSWORD", "PASSWORD_SRP", "EMAIL_OTP"])
    def test_each_way_attaches_and_the_next_sign_in_is_skipped_by_the_marker(self, kinds: Deployment, way: str) -> None:
        name = kinds.make_user()
        lines = len(kinds.trigger_lines())
        tokens = _sign_in_by_choice(kinds, name, way)
        assert len(kinds.trigger_lines()) == lines + 1
        assert _is_attached(kinds, tokens)
        before = kinds.cloud.calls()
        assert kinds.identity_id(_sign_in_by_choice(kinds, name, way)) == kinds.identity_id(tokens)
        assert not {"cognito-idp:AdminInitiateAuth", "iot:AttachPolicy"} & kinds.calls_of(before).keys()

    def test_a_user_without_a_password_is_attached(self, kinds: Deployment) -> None:
        name = _user_without_password(kinds)
        assert _user(kinds, name)["UserStatus"] == "CONFIRMED"
        assert _is_attached(kinds, _sign_in_by_choice(kinds, name, "EMAIL_OTP"))

    def test_a_user_who_signs_up_is_confirmed_and_attached_by_the_first_code(self, kinds: Deployment) -> None:
        name = f"user-{uuid.uuid4().hex[:10]}"
        email = {"Name": "email", "Value": f"{name}@example.com"}
        kinds.public("cognito-idp").sign_up(
            ClientId=kinds.client_id, Username=name, Password=PASSWORD, UserAttributes=[email]
        )
        assert _is_attached(kinds, _sign_in_by_choice(kinds, name, "EMAIL_OTP"))

    def test_a_code_signs_in_beside_a_temporary_password_which_keeps_the_attachment_waiting(
        self, kinds: Deployment
    ) -> None:
        name = _user_with_temporary_password(kinds)
        tokens = _sign_in_by_choice(kinds, name, "EMAIL_OTP")
        assert not _is_attached(kinds, tokens)
        assert kinds.self_attach(kinds.credentials(tokens)).body["status"] == "repaired"
        kinds.cloud.client("cognito-idp").admin_set_user_password(
            UserPoolId=kinds.user_pool_id, Username=name, Password=PASSWORD, Permanent=True
        )
        _wait_for_the_marker(kinds, name)

    def test_the_smoke_test_signs_in_by_what_the_app_client_allows(self, kinds: Deployment) -> None:
        document = kinds.smoke()
        assert document["summary"]["exit_code"] == 0, document
        assert [check(document, each)["status"] for each in ("PS116", "PS121", "PS122")] == ["passed"] * 3

    def test_the_doctor_asks_a_user_without_a_password_for_the_id_token(self, kinds: Deployment) -> None:
        name = _user_without_password(kinds)
        done = kinds.pubsub("doctor", "--user", name, "--password-stdin", "--json", stdin=PASSWORD)
        document = json.loads(done.stdout)
        assert (done.returncode, check(document, "PS121")["status"]) == (0, "skipped"), document
        assert "without a password" in check(document, "PS121")["cause"]
        tokens = _sign_in_by_choice(kinds, name, "EMAIL_OTP")
        done = kinds.pubsub("doctor", "--id-token", "-", "--json", stdin=tokens["IdToken"])
        assert done.returncode == 0, done.stdout


class TestSecondAppClient:
    def test_one_that_the_identity_pool_does_not_list_attaches_all_the_same(self, kinds: Deployment) -> None:
        name = kinds.make_user()
        with _app_client(kinds) as client_id:
            tokens = _srp(kinds, name, PASSWORD, client_id).authenticate_user()["AuthenticationResult"]
            refused = refusal(lambda: kinds.identity_id(tokens))
        assert refused[0] == "NotAuthorizedException"
        marker = _marker(kinds, name)
        assert marker is not None
        identity_id = marker.split("/")[1]
        assert kinds.attached_policies(identity_id) == [kinds.policy_name]
        # On the front end's client it is the same identity.
        assert kinds.identity_id(kinds.sign_in(name)) == identity_id

    def test_one_that_it_lists_leads_to_the_same_identity(self, kinds: Deployment) -> None:
        name = kinds.make_user()
        with _app_client(kinds) as client_id, _listed_by_the_identity_pool(kinds, client_id):
            tokens = _srp(kinds, name, PASSWORD, client_id).authenticate_user()["AuthenticationResult"]
            identity_id = kinds.identity_id(tokens)
        assert kinds.attached_policies(identity_id) == [kinds.policy_name]
        assert kinds.identity_id(kinds.sign_in(name)) == identity_id


class TestNobody:
    def test_a_name_that_does_not_exist_is_refused_as_a_wrong_password_is(self, kinds: Deployment) -> None:
        name = kinds.make_user()
        assert refusal(lambda: _srp(kinds, name, _TEMPORARY).authenticate_user()) == _WRONG
        assert refusal(lambda: kinds.sign_in("nobody")) == _WRONG

    def test_an_app_client_that_does_not_hide_it_says_so(self, kinds: Deployment) -> None:
        with _app_client(kinds, PreventUserExistenceErrors="LEGACY") as client_id:
            refused = refusal(lambda: _srp(kinds, "nobody", PASSWORD, client_id).authenticate_user())
        assert refused == ("UserNotFoundException", "User does not exist.")

    def test_the_internal_client_gives_nobody_tokens_and_does_not_say_who_is_missing(self, kinds: Deployment) -> None:
        def sign_in() -> None:
            asked = _start_nested_sign_in(kinds, "nobody")
            kinds.public("cognito-idp").respond_to_auth_challenge(
                ClientId=_internal_client_id(kinds),
                ChallengeName="CUSTOM_CHALLENGE",
                Session=asked["Session"],
                ChallengeResponses={"USERNAME": "nobody", "ANSWER": "AAAA", **_secret_hash(kinds, "nobody")},
            )

        assert refusal(sign_in)[0] == "NotAuthorizedException"


def _srp(kinds: Deployment, name: str, password: str, client_id: str | None = None) -> AWSSRP:
    """Return a sign-in with a password of one's own, on an app client of one's own."""
    return AWSSRP(
        username=name,
        password=password,
        pool_id=kinds.user_pool_id,
        client_id=client_id or kinds.client_id,
        client=kinds.public("cognito-idp"),
    )


def _user_with_temporary_password(kinds: Deployment) -> str:
    name = kinds.make_user()
    kinds.cloud.client("cognito-idp").admin_set_user_password(
        UserPoolId=kinds.user_pool_id, Username=name, Password=_TEMPORARY, Permanent=False
    )
    return name


def _user_without_password(kinds: Deployment) -> str:
    name = f"user-{uuid.uuid4().hex[:10]}"
    kinds.cloud.client("cognito-idp").admin_create_user(
        UserPoolId=kinds.user_pool_id,
        Username=name,
        MessageAction="SUPPRESS",
        UserAttributes=[
            {"Name": "email", "Value": f"{name}@example.com"},
            {"Name": "email_verified", "Value": "true"},
        ],
    )
    return name


@contextmanager
def _choice_based(kinds: Deployment) -> Iterator[None]:
    """Let the user pool offer codes, and the front end's app client choice-based sign-in only, for the block."""
    users = kinds.cloud.client("cognito-idp")
    pool: Any = users.describe_user_pool(UserPoolId=kinds.user_pool_id)["UserPool"]
    client: Any = users.describe_user_pool_client(UserPoolId=kinds.user_pool_id, ClientId=kinds.client_id)
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


def _sign_in_by_choice(kinds: Deployment, name: str, way: str) -> dict[str, str]:
    """Sign in as Amplify does with ``USER_AUTH`` and a preferred challenge, and return Cognito's tokens."""
    users, srp = kinds.public("cognito-idp"), kinds.srp(name)
    given = {
        "PASSWORD": {"PASSWORD": PASSWORD},
        "PASSWORD_SRP": {"SRP_A": srp.get_auth_params()["SRP_A"]},
        "EMAIL_OTP": {},
    }
    answer = users.initiate_auth(
        ClientId=kinds.client_id,
        AuthFlow="USER_AUTH",
        AuthParameters={"USERNAME": name, "PREFERRED_CHALLENGE": way, **given[way]},
    )
    if asked := answer.get("ChallengeName"):
        answered = (
            {"USERNAME": name, "EMAIL_OTP_CODE": code_sent_by_email(kinds.cloud, f"{name}@example.com")}
            if asked == "EMAIL_OTP"
            else srp.process_challenge(answer["ChallengeParameters"], srp.get_auth_params())
        )
        answer = users.respond_to_auth_challenge(
            ClientId=kinds.client_id, ChallengeName=asked, Session=answer["Session"], ChallengeResponses=answered
        )
    return dict(answer["AuthenticationResult"])


def _is_attached(kinds: Deployment, tokens: dict[str, str]) -> bool:
    return kinds.attached_policies(kinds.identity_id(tokens)) == [kinds.policy_name]


def _user(kinds: Deployment, name: str) -> dict[str, Any]:
    return dict(kinds.cloud.client("cognito-idp").admin_get_user(UserPoolId=kinds.user_pool_id, Username=name))


def _factors(kinds: Deployment, name: str) -> list[str]:
    return list(_user(kinds, name).get("UserMFASettingList", []))


def _marker(kinds: Deployment, name: str) -> str | None:
    values = {each["Name"]: each["Value"] for each in _user(kinds, name)["UserAttributes"]}
    return values.get("custom:pubsub_attachment")


def _wait_for_the_marker(kinds: Deployment, name: str, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while (marker := _marker(kinds, name)) is None:
        assert time.monotonic() < deadline, f"{name} was not marked within {seconds:g} s"
        time.sleep(0.2)
    return marker


def _refresh(kinds: Deployment, tokens: dict[str, str]) -> Any:
    return kinds.public("cognito-idp").initiate_auth(
        ClientId=kinds.client_id,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]},
    )


def _internal_client_id(kinds: Deployment) -> str:
    parameter = kinds.cloud.client("ssm").get_parameter(Name=f"/{kinds.app.stack_name}/sign-in-attachment")
    return str(json.loads(parameter["Parameter"]["Value"])["internalClientId"])


def _start_nested_sign_in(kinds: Deployment, name: str) -> Any:
    """Begin as the trigger does."""
    return kinds.cloud.client("cognito-idp").admin_initiate_auth(
        UserPoolId=kinds.user_pool_id,
        ClientId=_internal_client_id(kinds),
        AuthFlow="CUSTOM_AUTH",
        AuthParameters={"USERNAME": name, **_secret_hash(kinds, name)},
    )


def _secret_hash(kinds: Deployment, name: str) -> dict[str, str]:
    client_id = _internal_client_id(kinds)
    return ClientSecrets().hash(kinds.cloud.client("cognito-idp"), kinds.user_pool_id, client_id, name)


@contextmanager
def _app_client(kinds: Deployment, **settings: str) -> Iterator[str]:
    """Make another app client of the user pool for the block, and yield its id."""
    users = kinds.cloud.client("cognito-idp")
    made = users.create_user_pool_client(
        UserPoolId=kinds.user_pool_id,
        ClientName="second",
        ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        **settings,
    )
    client_id = str(made["UserPoolClient"]["ClientId"])
    try:
        yield client_id
    finally:
        users.delete_user_pool_client(UserPoolId=kinds.user_pool_id, ClientId=client_id)


@contextmanager
def _listed_by_the_identity_pool(kinds: Deployment, client_id: str) -> Iterator[None]:
    """Let the identity pool take the app client's tokens for the block."""
    pools = kinds.cloud.client("cognito-identity")
    described = pools.describe_identity_pool(IdentityPoolId=kinds.outputs[Output.IDENTITY_POOL_ID])
    pool: Any = {name: value for name, value in described.items() if name != "ResponseMetadata" and value != ""}
    providers = pool["CognitoIdentityProviders"]
    pools.update_identity_pool(
        **pool | {"CognitoIdentityProviders": [*providers, providers[0] | {"ClientId": client_id}]}
    )
    try:
        yield
    finally:
        pools.update_identity_pool(**pool)
