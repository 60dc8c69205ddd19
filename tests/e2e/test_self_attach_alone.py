"""An environment that attaches by self-attach alone; updated to attach at sign-in, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from local_cloud.faults import Fail
from pubsub_client.outputs import SIGN_IN_OUTPUTS, Output
from tests.e2e.conftest import Deployment, check, deploy_environment

if TYPE_CHECKING:
    from pathlib import Path

    from local_cloud.process import LocalCloud

_SETTINGS = {"groups": ["admins"], "mfa": "optional"}
_ALONE = _SETTINGS | {"attachment": "self-attach"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("alone")


@pytest.fixture(scope="module")
def alone(account: LocalCloud, directory: Path) -> Deployment:
    return deploy_environment(account, directory, "alone", _ALONE)


@pytest.fixture(scope="module")
def user(alone: Deployment) -> str:
    """A user who was attached by self-attach."""
    name = alone.make_user()
    answer = alone.self_attach(alone.credentials(alone.sign_in(name)))
    assert answer.body["status"] == "repaired"
    return name


def test_there_is_no_output_of_a_trigger(alone: Deployment) -> None:
    assert set(alone.outputs) == set(Output) - SIGN_IN_OUTPUTS - {Output.CHAINED_TRIGGERS}


def test_signing_in_attaches_nothing(alone: Deployment) -> None:
    assert alone.attached_policies(alone.identity_id(alone.sign_in(alone.make_user()))) == []


def test_the_smoke_tests_users_attach_themselves_and_what_the_trigger_would_do_is_needless(alone: Deployment) -> None:
    document = alone.smoke()
    assert document["summary"]["exit_code"] == 0, document
    assert {each["id"]: each["cause"] for each in document["checks"] if each["status"] != "passed"} == {
        **dict.fromkeys(
            ("PS112", "PS114", "PS119", "PS124", "PS127"), "attachment is self-attach: there is no trigger"
        ),
        "PS117": "attachment is self-attach: nobody signs in nested",
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


def test_the_smoke_test_leaves_nothing_behind(alone: Deployment, user: str) -> None:
    mine = alone.identity_id(alone.sign_in(user))
    assert alone.cloud.client("iot").list_targets_for_policy(policyName=alone.policy_name)["targets"] == [mine]


def test_the_smoke_test_says_where_to_look_when_the_route_attaches_nothing(alone: Deployment) -> None:
    with alone.cloud.fault("iot:AttachPolicy", Fail("AccessDeniedException")):
        failure = check(alone.smoke(), "PS203")
    assert failure["status"] == "failed"
    assert "the IoT policy could not be attached" in failure["cause"]
    assert failure["resource"] == alone.outputs[Output.SELF_ATTACH_URL]
    assert "aws cloudformation describe-stack-resources --stack-name AmplifyPubSub-alone" in failure["fix"]


def test_the_smoke_test_names_the_role_of_the_route_that_may_not_attach(alone: Deployment) -> None:
    iam = alone.cloud.client("iam")
    role, name, document = _permission_of_the_route(alone)
    without = json.dumps(document).replace("iot:AttachPolicy", "iot:AttachPolicyNot")
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=without)
    try:
        failure = check(alone.smoke(), "PS118")
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
    assert (failure["status"], failure["resource"]) == ("failed", role)
    assert failure["fix"].startswith(f"aws iam put-role-policy --role-name {role} ")


def test_pubsub_attach_cannot_prove_a_user_and_says_what_to_do_instead(alone: Deployment, user: str) -> None:
    done = alone.pubsub("attach", "--user", user)
    assert (done.returncode, done.stdout) == (2, "")
    assert "give --id-token or --identity-id instead" in done.stderr
    assert alone.outputs[Output.SELF_ATTACH_URL] in done.stderr


def test_pubsub_redrive_says_that_there_is_nothing_to_move(alone: Deployment) -> None:
    done = alone.pubsub("redrive", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no retry queue, so no dead letters: its setting attachment is self-attach" in done.stderr


def test_pubsub_attach_and_detach_work_by_identity_id(alone: Deployment) -> None:
    identity_id = alone.identity_id(alone.sign_in(alone.make_user()))
    for command, policies in (("attach", [alone.policy_name]), ("detach", [])):
        done = alone.pubsub(command, "--identity-id", identity_id)
        assert done.returncode == 0, done.stderr
        assert alone.attached_policies(identity_id) == policies
    assert "The user can attach it again by self-attach." in done.stdout


def test_pubsub_identity_says_that_a_user_alone_does_not_tell_the_identity(alone: Deployment, user: str) -> None:
    done = alone.pubsub("identity", "--user", user, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["identity"]["marker"]) == (1, None)
    assert "--identity-id or --id-token" in document["failure"]["fix"]


def test_an_update_to_attach_at_sign_in_keeps_the_users_and_attaches_new_ones(
    alone: Deployment, user: str, account: LocalCloud, directory: Path
) -> None:
    identity_id = alone.identity_id(alone.sign_in(user))
    at_sign_in = deploy_environment(account, directory, "alone", _SETTINGS)
    assert _same_pools(alone, at_sign_in)
    assert at_sign_in.identity_id(at_sign_in.sign_in(user)) == identity_id
    newcomer = at_sign_in.identity_id(at_sign_in.sign_in(at_sign_in.make_user()))
    at_sign_in.wait_until_attached(newcomer)


def test_an_update_back_to_self_attach_leaves_no_trigger_and_no_key(
    alone: Deployment, user: str, account: LocalCloud, directory: Path
) -> None:
    back = deploy_environment(account, directory, "alone", _ALONE)
    assert _same_pools(alone, back)
    pool = account.client("cognito-idp").describe_user_pool(UserPoolId=back.user_pool_id)["UserPool"]
    assert pool.get("LambdaConfig", {}) == {}
    tokens = back.sign_in(user)
    assert back.attached_policies(back.identity_id(tokens)) == [back.policy_name]
    clients = account.client("cognito-idp").list_user_pool_clients(UserPoolId=back.user_pool_id)["UserPoolClients"]
    assert [each["ClientId"] for each in clients] == [back.client_id]
    assert back.smoke()["summary"]["exit_code"] == 0
    # A marker that the time with the trigger has left counts for nothing.
    told = json.loads(back.pubsub("identity", "--user", user, "--json").stdout)["identity"]
    assert (told["marker"], told["attached"]) == (None, True)


def _same_pools(one: Deployment, other: Deployment) -> bool:
    names = (Output.USER_POOL_ID, Output.USER_POOL_CLIENT_ID, Output.IDENTITY_POOL_ID)
    return [one.outputs[name] for name in names] == [other.outputs[name] for name in names]


def _permission_of_the_route(deployment: Deployment) -> tuple[str, str, dict[str, Any]]:
    """Return role name, policy name and document of what lets the route's function attach."""
    iam, functions = deployment.cloud.client("iam"), deployment.cloud.client("lambda").list_functions()["Functions"]
    (role,) = (
        each["Role"].rpartition("/")[2]
        for each in functions
        if each["FunctionName"].startswith("AmplifyPubSub-alone-SelfAttach")
    )
    (name,) = (each for each in iam.list_role_policies(RoleName=role)["PolicyNames"] if "Permission" in each)
    return role, name, iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
