"""A deployment that is updated to the setting ``attachment: self-attach``, and back to ``sign-in``."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pycognito.exceptions import SoftwareTokenMFAChallengeException

from local_cloud.faults import Fail
from local_cloud.process import LocalCloud
from pubsub_cli.checks.catalogue import CHECKS
from pubsub_client.outputs import SIGN_IN_OUTPUTS, Output
from tests.e2e.conftest import PASSWORD, Deployment, check, deploy, deployed
from tests.e2e.stack_app import StackApp
from tests.integration.local_cloud.user_pool import error_of
from tests.tokens import totp

_AT_SIGN_IN = {"groups": ["admins"], "mfa": "optional"}
_SELF_ATTACH = _AT_SIGN_IN | {"attachment": "self-attach"}
_OTHER_SECRET = "A" * 32
_USER = "from-before"
"""The name of a user who signed in before the update to self-attach."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("before")) as made:
        made.sign_in(made.make_user(_USER))
        yield made


@pytest.fixture(scope="module")
def updated(before: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return deploy(StackApp(before.cloud, tmp_path_factory.mktemp("updated"), _SELF_ATTACH))


@pytest.fixture(scope="module")
def at_sign_in(updated: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A copy of the deployment with self-attach, updated to ``attachment: sign-in``."""
    directory = tmp_path_factory.mktemp("at-sign-in")
    updated.cloud.save(directory / "saved")
    with LocalCloud.start(saved=directory / "saved", log_file=directory / "cloud.log") as cloud:
        yield deploy(StackApp(cloud, directory, _AT_SIGN_IN))


def test_update_to_self_attach_keeps_users_and_removes_triggers(before: Deployment, updated: Deployment) -> None:
    assert _same_pools(before, updated)
    assert set(updated.outputs) == set(Output) - SIGN_IN_OUTPUTS - {Output.CHAINED_TRIGGERS}
    users = updated.cloud.client("cognito-idp")
    assert users.describe_user_pool(UserPoolId=updated.user_pool_id)["UserPool"].get("LambdaConfig", {}) == {}
    clients = users.list_user_pool_clients(UserPoolId=updated.user_pool_id)["UserPoolClients"]
    assert [each["ClientId"] for each in clients] == [updated.client_id]
    assert updated.attached_policies(updated.identity_id(updated.sign_in(_USER))) == [updated.policy_name]
    # Markers from before the update are ignored.
    identity = json.loads(updated.pubsub("identity", "--user", _USER, "--json").stdout)["identity"]
    assert (identity["marker"], identity["attached"]) == (None, True)


def test_only_self_attach_attaches_the_policy(updated: Deployment) -> None:
    name = updated.make_user()
    tokens = updated.sign_in(name)
    assert updated.attached_policies(updated.identity_id(tokens)) == []
    assert updated.self_attach(updated.credentials(tokens)).body["status"] == "repaired"
    assert updated.attached_policies(updated.identity_id(tokens)) == [updated.policy_name]


def test_smoke_self_attaches_and_skips_checks_of_the_trigger(updated: Deployment) -> None:
    targets = updated.targets()
    document = updated.smoke()
    assert document["summary"]["exit_code"] == 0, document
    of_the_trigger = [each.id for each in CHECKS if each.requires_trigger]
    skipped = dict.fromkeys(of_the_trigger, "attachment is self-attach")
    skipped["PS413"] = "the setting topics opens all topics to all users"
    assert {each["id"]: each["cause"] for each in document["checks"] if each["status"] != "passed"} == skipped
    for check_id in ("PS203", "PS204"):
        assert check(document, check_id)["detail"] == "PS203: no IoT policy was attached, repaired"
    assert check(document, "PS403")["detail"] == "admins"
    assert updated.targets() == targets


def test_smoke_reports_the_route_that_attaches_nothing(updated: Deployment) -> None:
    with updated.cloud.fault("iot:AttachPolicy", Fail("AccessDeniedException")):
        failure = check(updated.smoke(), "PS203")
    assert failure["status"] == "failed"
    assert "the IoT policy could not be attached" in failure["cause"]
    assert failure["resource"] == updated.outputs[Output.SELF_ATTACH_URL]
    assert "aws cloudformation describe-stack-resources --stack-name AmplifyPubSub" in failure["fix"]


def test_commands_report_what_is_missing_without_a_trigger(updated: Deployment) -> None:
    done = updated.pubsub("attach", "--user", _USER)
    assert (done.returncode, done.stdout) == (2, "")
    assert "give --id-token or --identity-id instead" in done.stderr
    assert updated.outputs[Output.SELF_ATTACH_URL] in done.stderr
    done = updated.pubsub("redrive", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no retry queue: its setting attachment is self-attach" in done.stderr
    done = updated.pubsub("identity", "--user", updated.make_user(), "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["identity"]["marker"]) == (1, None)
    assert "--identity-id or --id-token" in document["failure"]["fix"]


def test_attach_and_detach_work_by_identity_id_without_a_trigger(updated: Deployment) -> None:
    identity_id = updated.identity_id(updated.sign_in(updated.make_user()))
    for command, policies in ((["attach"], [updated.policy_name]), (["detach", "--yes"], [])):
        done = updated.pubsub(*command, "--identity-id", identity_id)
        assert done.returncode == 0, done.stderr
        assert updated.attached_policies(identity_id) == policies
    assert "The user can attach it again by self-attach." in done.stdout


def test_update_to_sign_in_keeps_users_and_attaches_new_ones(updated: Deployment, at_sign_in: Deployment) -> None:
    assert _same_pools(updated, at_sign_in)
    known = at_sign_in.identity_id(at_sign_in.sign_in(_USER))
    assert known == updated.identity_id(updated.sign_in(_USER))
    newcomer = at_sign_in.identity_id(at_sign_in.sign_in(at_sign_in.make_user()))
    at_sign_in.wait_until_attached(newcomer)


class TestMfa:
    """The trigger makes no internal sign-in for users with MFA."""

    def test_trigger_skips_a_user_with_mfa_and_the_id_token_attaches(self, at_sign_in: Deployment) -> None:
        name = at_sign_in.make_user()
        at_sign_in.wait_until_attached(at_sign_in.identity_id(at_sign_in.sign_in(name)))
        secret = _set_up_totp(at_sign_in, name)
        assert at_sign_in.pubsub("detach", "--yes", "--user", name).returncode == 0
        lines, before = len(at_sign_in.trigger_lines()), at_sign_in.cloud.calls()
        tokens = _sign_in_with_totp(at_sign_in, name, secret)
        assert [each["reason"] for each in at_sign_in.trigger_lines()[lines:]] == ["MfaUserError"]
        # An internal sign-in could send a code to the user.
        assert "cognito-idp:AdminInitiateAuth" not in at_sign_in.calls_since(before)
        identity_id = at_sign_in.identity_id(tokens)
        assert at_sign_in.attached_policies(identity_id) == []
        done = at_sign_in.pubsub("attach", "--id-token", "-", stdin=tokens["IdToken"])
        assert done.returncode == 0, done.stderr
        assert at_sign_in.attached_policies(identity_id) == [at_sign_in.policy_name]

    def test_user_who_enables_mfa_stays_attached(self, at_sign_in: Deployment) -> None:
        name = at_sign_in.make_user()
        at_sign_in.wait_until_attached(at_sign_in.identity_id(at_sign_in.sign_in(name)))
        secret = _set_up_totp(at_sign_in, name)
        done = at_sign_in.pubsub("doctor", "--user", name, "--password-stdin", "--json", stdin=PASSWORD)
        found = check(json.loads(done.stdout), "PS121")
        assert (done.returncode, found["status"]) == (0, "skipped"), done.stdout
        assert "SOFTWARE_TOKEN_MFA" in found["cause"]
        assert error_of(lambda: _sign_in_with_totp(at_sign_in, name, _OTHER_SECRET))[0] == "CodeMismatchException"
        tokens = _sign_in_with_totp(at_sign_in, name, secret)
        assert at_sign_in.attached_policies(at_sign_in.identity_id(tokens)) == [at_sign_in.policy_name]
        assert at_sign_in.pubsub("doctor", "--id-token", "-", stdin=tokens["IdToken"]).returncode == 0


def _same_pools(one: Deployment, other: Deployment) -> bool:
    names = (Output.USER_POOL_ID, Output.USER_POOL_CLIENT_ID, Output.IDENTITY_POOL_ID)
    return [one.outputs[name] for name in names] == [other.outputs[name] for name in names]


def _set_up_totp(deployment: Deployment, user_name: str) -> str:
    """Set up one-time passwords for a user, and return the secret."""
    users = deployment.public("cognito-idp")
    access_token = deployment.sign_in(user_name)["AccessToken"]
    secret = str(users.associate_software_token(AccessToken=access_token)["SecretCode"])
    users.verify_software_token(AccessToken=access_token, UserCode=totp(secret))
    users.set_user_mfa_preference(
        AccessToken=access_token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    return secret


def _sign_in_with_totp(deployment: Deployment, user_name: str, secret: str) -> dict[str, str]:
    """Sign in with password and one-time password, and return Cognito's tokens."""
    with pytest.raises(SoftwareTokenMFAChallengeException) as asked:
        deployment.srp(user_name).authenticate_user()
    answer = deployment.public("cognito-idp").respond_to_auth_challenge(
        ClientId=deployment.client_id,
        ChallengeName="SOFTWARE_TOKEN_MFA",
        Session=asked.value.get_tokens()["Session"],
        ChallengeResponses={"USERNAME": user_name, "SOFTWARE_TOKEN_MFA_CODE": totp(secret)},
    )
    tokens: dict[str, str] = answer["AuthenticationResult"]
    return tokens
