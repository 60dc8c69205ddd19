"""A deployment that is updated to attach only by self-attach, and from there to attach at sign-in."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from local_cloud.faults import Fail
from local_cloud.process import LocalCloud
from pubsub_client.outputs import SIGN_IN_OUTPUTS, Output
from tests.e2e.conftest import PASSWORD, Deployment, check, deploy, deployed
from tests.e2e.stack_app import StackApp
from tests.e2e.totp import set_up_totp, sign_in_with_totp
from tests.integration.local_cloud.user_pool import refusal

_AT_SIGN_IN = {"groups": ["admins"], "mfa": "optional"}
_ALONE = _AT_SIGN_IN | {"attachment": "self-attach"}
_OTHER_SECRET = "A" * 32
_USER = "from-before"
"""A user who signed in before the update to self-attach."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("before")) as made:
        made.sign_in(made.make_user(_USER))
        yield made


@pytest.fixture(scope="module")
def alone(before: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return deploy(StackApp(before.cloud, tmp_path_factory.mktemp("alone"), _ALONE))


@pytest.fixture(scope="module")
def at_sign_in(alone: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A copy of the deployment with self-attach, updated to attach at sign-in."""
    directory = tmp_path_factory.mktemp("at-sign-in")
    alone.cloud.save(directory / "saved")
    with LocalCloud.start(saved=directory / "saved", log_file=directory / "cloud.log") as cloud:
        yield deploy(StackApp(cloud, directory, _AT_SIGN_IN))


def test_update_to_self_attach_keeps_users_and_leaves_no_trigger_and_no_key(
    before: Deployment, alone: Deployment
) -> None:
    assert _same_pools(before, alone)
    assert set(alone.outputs) == set(Output) - SIGN_IN_OUTPUTS - {Output.CHAINED_TRIGGERS}
    users = alone.cloud.client("cognito-idp")
    assert users.describe_user_pool(UserPoolId=alone.user_pool_id)["UserPool"].get("LambdaConfig", {}) == {}
    clients = users.list_user_pool_clients(UserPoolId=alone.user_pool_id)["UserPoolClients"]
    assert [each["ClientId"] for each in clients] == [alone.client_id]
    assert alone.attached_policies(alone.identity_id(alone.sign_in(_USER))) == [alone.policy_name]
    # A marker of the time with the trigger does not count.
    told = json.loads(alone.pubsub("identity", "--user", _USER, "--json").stdout)["identity"]
    assert (told["marker"], told["attached"]) == (None, True)


def test_only_self_attach_attaches(alone: Deployment) -> None:
    name = alone.make_user()
    tokens = alone.sign_in(name)
    assert alone.attached_policies(alone.identity_id(tokens)) == []
    assert alone.self_attach(alone.credentials(tokens)).body["status"] == "repaired"
    assert alone.attached_policies(alone.identity_id(tokens)) == [alone.policy_name]


def test_smoke_test_attaches_by_self_attach_and_skips_what_a_trigger_does(alone: Deployment) -> None:
    targets = _targets(alone)
    document = alone.smoke()
    assert document["summary"]["exit_code"] == 0, document
    assert {each["id"]: each["cause"] for each in document["checks"] if each["status"] != "passed"} == {
        **dict.fromkeys(
            ("PS112", "PS114", "PS119", "PS124", "PS127"), "attachment is self-attach: there is no trigger"
        ),
        "PS117": "attachment is self-attach: there is no internal sign-in",
        "PS125": "attachment is self-attach: nobody signs in nested",
        "PS131": "attachment is self-attach: no sign-in invokes a function",
        "PS122": "attachment is self-attach: signing in attaches nothing",
        "PS601": "attachment is self-attach: there is no retry queue",
        "PS602": "attachment is self-attach: there is no retry queue",
        "PS603": "attachment is self-attach: there is no retry queue",
    }
    for check_id in ("PS203", "PS204"):
        assert check(document, check_id)["detail"] == "PS203: no IoT policy was attached, repaired"
    assert check(document, "PS403")["detail"] == "admins"
    assert _targets(alone) == targets


def test_smoke_test_names_the_route_that_attaches_nothing(alone: Deployment) -> None:
    with alone.cloud.fault("iot:AttachPolicy", Fail("AccessDeniedException")):
        failure = check(alone.smoke(), "PS203")
    assert failure["status"] == "failed"
    assert "the IoT policy could not be attached" in failure["cause"]
    assert failure["resource"] == alone.outputs[Output.SELF_ATTACH_URL]
    assert "aws cloudformation describe-stack-resources --stack-name AmplifyPubSub" in failure["fix"]


def test_commands_say_what_is_missing_without_a_trigger(alone: Deployment) -> None:
    done = alone.pubsub("attach", "--user", _USER)
    assert (done.returncode, done.stdout) == (2, "")
    assert "give --id-token or --identity-id instead" in done.stderr
    assert alone.outputs[Output.SELF_ATTACH_URL] in done.stderr
    done = alone.pubsub("redrive", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no retry queue, so no dead letters: its setting attachment is self-attach" in done.stderr
    done = alone.pubsub("identity", "--user", alone.make_user(), "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["identity"]["marker"]) == (1, None)
    assert "--identity-id or --id-token" in document["failure"]["fix"]


def test_attach_and_detach_work_by_identity_id(alone: Deployment) -> None:
    identity_id = alone.identity_id(alone.sign_in(alone.make_user()))
    for command, policies in (("attach", [alone.policy_name]), ("detach", [])):
        done = alone.pubsub(command, "--identity-id", identity_id)
        assert done.returncode == 0, done.stderr
        assert alone.attached_policies(identity_id) == policies
    assert "The user can attach it again by self-attach." in done.stdout


def test_update_to_attach_at_sign_in_keeps_users_and_attaches_new_ones(
    alone: Deployment, at_sign_in: Deployment
) -> None:
    assert _same_pools(alone, at_sign_in)
    known = at_sign_in.identity_id(at_sign_in.sign_in(_USER))
    assert known == alone.identity_id(alone.sign_in(_USER))
    newcomer = at_sign_in.identity_id(at_sign_in.sign_in(at_sign_in.make_user()))
    at_sign_in.wait_until_attached(newcomer)


class TestMfa:
    """The deployment allows MFA; the trigger signs no user in internally who has it."""

    def test_trigger_skips_a_user_with_mfa_whose_id_token_attaches(self, at_sign_in: Deployment) -> None:
        name = at_sign_in.make_user()
        at_sign_in.wait_until_attached(at_sign_in.identity_id(at_sign_in.sign_in(name)))
        secret = set_up_totp(at_sign_in, name)
        assert at_sign_in.pubsub("detach", "--user", name).returncode == 0
        lines, before = len(at_sign_in.trigger_lines()), at_sign_in.cloud.calls()
        tokens = sign_in_with_totp(at_sign_in, name, secret)
        assert [each["reason"] for each in at_sign_in.trigger_lines()[lines:]] == ["MfaUserError"]
        # An internal sign-in could have a code sent to the user.
        assert "cognito-idp:AdminInitiateAuth" not in at_sign_in.calls_of(before)
        identity_id = at_sign_in.identity_id(tokens)
        assert at_sign_in.attached_policies(identity_id) == []
        done = at_sign_in.pubsub("attach", "--id-token", "-", stdin=tokens["IdToken"])
        assert done.returncode == 0, done.stderr
        assert at_sign_in.attached_policies(identity_id) == [at_sign_in.policy_name]

    def test_user_who_sets_mfa_up_stays_attached_and_the_doctor_asks_for_the_id_token(
        self, at_sign_in: Deployment
    ) -> None:
        name = at_sign_in.make_user()
        at_sign_in.wait_until_attached(at_sign_in.identity_id(at_sign_in.sign_in(name)))
        secret = set_up_totp(at_sign_in, name)
        done = at_sign_in.pubsub("doctor", "--user", name, "--password-stdin", "--json", stdin=PASSWORD)
        found = check(json.loads(done.stdout), "PS121")
        assert (done.returncode, found["status"]) == (0, "skipped"), done.stdout
        assert "SOFTWARE_TOKEN_MFA" in found["cause"]
        assert refusal(lambda: sign_in_with_totp(at_sign_in, name, _OTHER_SECRET))[0] == "CodeMismatchException"
        tokens = sign_in_with_totp(at_sign_in, name, secret)
        assert at_sign_in.attached_policies(at_sign_in.identity_id(tokens)) == [at_sign_in.policy_name]
        assert at_sign_in.pubsub("doctor", "--id-token", "-", stdin=tokens["IdToken"]).returncode == 0


def _targets(deployment: Deployment) -> list[str]:
    targets = deployment.cloud.client("iot").list_targets_for_policy(policyName=deployment.policy_name)["targets"]
    return sorted(targets)


def _same_pools(one: Deployment, other: Deployment) -> bool:
    names = (Output.USER_POOL_ID, Output.USER_POOL_CLIENT_ID, Output.IDENTITY_POOL_ID)
    return [one.outputs[name] for name in names] == [other.outputs[name] for name in names]
