"""An Amplify project is adopted with and without the trigger, and destroy restores it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_cloud.faults import Fault, Hang
from local_cloud.process import LocalCloud
from local_cloud.provisioning import ProvisioningError
from pubsub_client.outputs import MARKER_ATTRIBUTE, Output
from tests.e2e.amplify_project.project import AmplifyProject
from tests.e2e.conftest import PASSWORD, Deployment, check, deploy
from tests.e2e.stack_app import StackApp
from tests.integration.local_cloud.account import (
    Credentials,
    document,
    let_cognito_invoke,
    make_function,
    make_user,
    make_user_pool,
    sign_in,
)
from tests.integration.local_cloud.mqtt import websocket

_MARKER = f"custom:{MARKER_ATTRIBUTE}"
_TRIGGERS = {"PostAuthentication", "DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse"}


@dataclass(frozen=True)
class Adopted:
    """An adopted project, and its configuration before."""

    project: AmplifyProject
    before: dict[str, Any]
    users: dict[str, str]
    """Users that existed before the deployment."""
    deployment: Deployment
    saved: Path
    """The saved state of the cloud after the adoption."""

    def deploy(self, settings: dict[str, Any]) -> Deployment:
        """Deploy with other settings."""
        directory = self.deployment.app.directory.with_name(uuid.uuid4().hex)
        return deploy(StackApp(self.project.cloud, directory, settings))


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopted]:
    """Adopted with self-attach; pools are left as they are."""
    directory = tmp_path_factory.mktemp("adoption")
    with LocalCloud.start(log_file=directory / "cloud.log") as cloud:
        project = AmplifyProject.make(cloud)
        before = project.configuration()
        users = {
            "ada": project.make_user("ada", PASSWORD),
            "admin": project.make_user("admin", PASSWORD, group="admins"),
        }
        deployment = deploy(StackApp(cloud, directory / "app", {"adopt": project.adopt}))
        cloud.save(directory / "saved")
        yield Adopted(project, before, users, deployment, directory / "saved")


@pytest.fixture
def another(adopted: Adopted, tmp_path: Path) -> Iterator[Adopted]:
    """A copy on another cloud, for a test that changes it."""
    with LocalCloud.start(saved=adopted.saved, log_file=tmp_path / "cloud.log") as cloud:
        app = StackApp(cloud, tmp_path / "app", {"adopt": adopted.project.adopt})
        app.synth()
        project = AmplifyProject(**{**vars(adopted.project), "cloud": cloud})
        deployment = Deployment(cloud, app, app.write_outputs())
        yield Adopted(project, adopted.before, adopted.users, deployment, adopted.saved)


def test_adoption_by_the_parent_stack_finds_pools_clients_and_roles(adopted: Adopted) -> None:
    outputs, project = adopted.deployment.outputs, adopted.project
    assert outputs[Output.USER_POOL_ID] == project.user_pool_id
    assert outputs[Output.USER_POOL_CLIENT_ID] == project.web_client_id
    assert outputs[Output.IDENTITY_POOL_ID] == project.identity_pool_id
    assert outputs[Output.AUTH_ROLE_ARN] == project.role_arn(project.auth_role)
    notes = "\n".join(adopted.deployment.app.notes())
    assert f"The roles {project.auth_role}, {project.admins_role} get AWSIoTDataAccess and AWSIoTConfigAccess" in notes
    assert "User pool" not in notes


def test_adoption_leaves_pools_unchanged_and_guards_roles(adopted: Adopted) -> None:
    during, before = adopted.project.configuration(), adopted.before
    roles = during.pop("roles")
    assert during == {key: value for key, value in before.items() if key != "roles"}
    for name, role in roles.items():
        attached = [each["PolicyName"] for each in role["attached"]]
        assert {"AWSIoTDataAccess", "AWSIoTConfigAccess"} < set(attached)
        assert any("ControlPlaneDeny" in each for each in attached)
        assert (role["boundary"], role["trust"]) == (before["roles"][name]["boundary"], before["roles"][name]["trust"])


@pytest.mark.parametrize("name", ["ada", "admin"])
def test_existing_users_self_attach_and_have_no_control_plane(adopted: Adopted, name: str) -> None:
    deployment = adopted.deployment
    credentials = deployment.credentials(deployment.sign_in(adopted.users[name]))
    assert deployment.self_attach(credentials).body["status"] == "repaired"
    assert deployment.connects(credentials)
    iot = deployment.as_user("iot", credentials)
    with pytest.raises(iot.exceptions.ClientError, match="explicit deny"):
        iot.list_policies()


@pytest.fixture
def user_of_another_pool(adopted: Adopted) -> Iterator[tuple[str, Credentials]]:
    """Identity id and credentials of a user of another user pool with the same identity pool."""
    cloud, pool = adopted.project.cloud, adopted.project.identity_pool_id
    users, identities = cloud.client("cognito-idp"), cloud.client("cognito-identity")
    pool_id, client_id = make_user_pool(cloud)
    described = identities.describe_identity_pool(IdentityPoolId=pool)
    before = {name: value for name, value in described.items() if name != "ResponseMetadata" and value not in ("", {})}
    provider = f"cognito-idp.{cloud.region}.amazonaws.com/{pool_id}"
    other = {"ProviderName": provider, "ClientId": client_id, "ServerSideTokenCheck": False}
    identities.update_identity_pool(
        **before | {"CognitoIdentityProviders": [*before["CognitoIdentityProviders"], other]}
    )
    try:
        tokens = sign_in(cloud, client_id, make_user(cloud, pool_id))
        logins = {provider: tokens["IdToken"]}
        identity_id = identities.get_id(IdentityPoolId=pool, Logins=logins)["IdentityId"]
        given = identities.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)["Credentials"]
        yield identity_id, Credentials(given["AccessKeyId"], given["SecretKey"], given["SessionToken"])
    finally:
        identities.update_identity_pool(**before)
        users.delete_user_pool(UserPoolId=pool_id)


def test_sweep_attaches_only_users_of_the_adopted_provider(
    adopted: Adopted, user_of_another_pool: tuple[str, Credentials]
) -> None:
    deployment, (other_id, other_credentials) = adopted.deployment, user_of_another_pool
    answer = deployment.self_attach(other_credentials)
    assert (answer.status, answer.body["status"]) == (403, "refused")
    assert "whose identity provider gets no attachment" in answer.body["text"]
    tokens = deployment.sign_in(adopted.project.make_user("renews", PASSWORD))
    identity_id = deployment.identity_id(tokens)
    assert not deployment.connects(deployment.credentials(tokens))
    swept = deployment.pubsub("sweep", "--full")
    assert swept.returncode == 0, swept.stderr
    assert "1 from other identity providers" in swept.stdout
    assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]
    assert deployment.attached_policies(other_id) == []


def test_smoke_passes_on_an_adopted_project(adopted: Adopted) -> None:
    document = adopted.deployment.smoke()
    assert document["summary"]["exit_code"] == 0, document
    assert check(document, "PS403")["detail"] == "admins"
    assert check(document, "PS303")["detail"] == "admins"
    assert "explicit deny" in check(document, "PS312")["detail"]


def test_adopted_project_is_updated_and_destroy_restores_it(another: Adopted) -> None:
    _removed_role_keeps_its_guard_until_its_policies_are_detached(another)
    at_sign_in = _attached_at_sign_in(another)
    _only_the_additions_are_changed(another)
    _users_have_topics_of_their_own(at_sign_in, another.project)
    _lost_triggers_are_found(at_sign_in, another.project)
    _destroyed_all_is_as_before_except_the_marker_attribute(another, at_sign_in)


def _removed_role_keeps_its_guard_until_its_policies_are_detached(another: Adopted) -> None:
    project, cloud = another.project, another.project.cloud
    adopt = {
        "userPoolId": project.user_pool_id,
        "userPoolClientIds": [project.web_client_id, project.native_client_id],
        "identityPoolId": project.identity_pool_id,
        "authRoleArn": project.role_arn(project.auth_role),
    }
    cloud.set_faults([Fault(("iam:DetachRolePolicy",), Hang())])
    with ThreadPoolExecutor() as threads:
        deploying = threads.submit(another.deploy, {"adopt": adopt})
        try:
            while not cloud.faults()[0].hits:
                assert not deploying.done(), deploying.result()
                time.sleep(0.1)
            attached = _attached(project.configuration(), project.admins_role)
            assert "AWSIoTConfigAccess" in attached
            assert any("ControlPlaneDeny" in each for each in attached)
        finally:
            cloud.clear_faults("iam:DetachRolePolicy")
    deploying.result()
    after = project.configuration()
    assert after["roles"][project.admins_role] == another.before["roles"][project.admins_role]
    attached = _attached(after, project.auth_role)
    assert {"AWSIoTDataAccess", "AWSIoTConfigAccess"} < set(attached)
    assert any("ControlPlaneDeny" in each for each in attached)


def _attached_at_sign_in(another: Adopted) -> Deployment:
    """Adopt both roles in another access mode while IAM changes take effect slowly."""
    project = another.project
    settings = {
        "adopt": {**project.adopt, **project.permissions},
        "attachment": "sign-in",
        "accessMode": "least-privilege",
        "topics": ["room/*"],
    }
    project.cloud.permission_propagation_seconds = 2
    deployment = another.deploy(settings)
    project.cloud.permission_propagation_seconds = 0
    notes = "\n".join(deployment.app.notes())
    assert f"User pool {project.user_pool_id} gets an app client for the internal sign-in, and" in notes
    assert f"attribute {_MARKER} if it lacks it. The attribute stays" in notes
    assert f"Identity pool {project.identity_pool_id} gets the app client of the internal sign-in" in notes
    for role in (project.auth_role, project.admins_role):
        (attached,) = _attached(project.configuration(), role)
        assert "ControlPlaneDeny" in attached
    document = deployment.smoke()
    assert document["summary"]["exit_code"] == 0, document
    return deployment


def _only_the_additions_are_changed(another: Adopted) -> None:
    during, before = another.project.configuration(), another.before
    pool, pool_before = during["user pool"], dict(before["user pool"])
    config, config_before = pool.pop("LambdaConfig"), pool_before.pop("LambdaConfig")
    assert set(config) - set(config_before) == _TRIGGERS
    assert {name: config[name] for name in config_before} == config_before
    attributes = [each for each in pool.pop("SchemaAttributes") if each["Name"] != _MARKER]
    assert attributes == pool_before.pop("SchemaAttributes")
    assert pool == pool_before
    providers = during["identity pool"].pop("CognitoIdentityProviders")
    providers_before = before["identity pool"]["CognitoIdentityProviders"]
    assert [each for each in providers if each in providers_before] == providers_before
    assert len(providers) == len(providers_before) + 1
    assert during["identity pool"] == {
        key: value for key, value in before["identity pool"].items() if key != "CognitoIdentityProviders"
    }
    assert during["number of clients"] == before["number of clients"] + 1
    for same in ("clients", "groups", "identity pool roles"):
        assert during[same] == before[same]


def _users_have_topics_of_their_own(at_sign_in: Deployment, project: AmplifyProject) -> None:
    """New users are attached at sign-in."""
    users = []
    for group in (None, "admins"):
        user = project.make_user(f"new-{group}", PASSWORD, group=group)
        at_sign_in.sign_in(user)
        at_sign_in.wait_until_retry_queue_is_empty()
        tokens = at_sign_in.sign_in(user)
        users.append((at_sign_in.identity_id(tokens), at_sign_in.credentials(tokens)))
    for (me, credentials), (other, _) in (users, reversed(users)):
        asked = (f"{me}/orders", "room/lobby", f"{other}/orders", "orders")
        assert _reached(at_sign_in, credentials, f"{me}-1", *asked) == [f"{me}/orders", "room/lobby"]
        assert _reached(at_sign_in, credentials, f"{other}-1", "room/lobby") == []


def _lost_triggers_are_found(at_sign_in: Deployment, project: AmplifyProject) -> None:
    """A later deployment of Amplify removes them."""
    functions = at_sign_in.cloud.client("lambda").list_functions()["Functions"]
    (detector,) = (each["FunctionName"] for each in functions if "DriftDetectorFunction" in each["FunctionName"])
    assert _missing(at_sign_in, detector) == []
    triggers = project.triggers()
    project.set_triggers()
    try:
        assert set(_missing(at_sign_in, detector)) == set(triggers)
        found = check(at_sign_in.doctor("PS112"), "PS112")
        assert "sign-ins do not attach the policy" in found["cause"]
        role, key = project.permissions.values()
        assert f"also needs iam:PassRole on {role} and kms:CreateGrant on {key}" in found["fix"]
    finally:
        project.set_triggers(**triggers)


def _missing(deployment: Deployment, function: str) -> list[str]:
    deployment.cloud.client("lambda").invoke(FunctionName=function, Payload=b"{}")
    missing: list[str] = deployment.log_lines(function)[-1]["missing"]
    return missing


def _destroyed_all_is_as_before_except_the_marker_attribute(another: Adopted, at_sign_in: Deployment) -> None:
    project, before = another.project, another.before
    at_sign_in.app.destroy()
    after = project.configuration()
    attributes = after["user pool"]["SchemaAttributes"]
    assert [each["Name"] for each in attributes if each not in before["user pool"]["SchemaAttributes"]] == [_MARKER]
    after["user pool"]["SchemaAttributes"] = [each for each in attributes if each["Name"] != _MARKER]
    assert after == before
    pages = project.cloud.client("ssm").get_paginator("describe_parameters").paginate()
    names = [each["Name"] for page in pages for each in page["Parameters"]]
    assert not [name for name in names if project.user_pool_id in name or "/role-policies/" in name]
    assert "IdToken" in at_sign_in.sign_in(another.users["ada"])


def test_project_with_its_own_trigger_is_refused_then_adopted_chained(tmp_path: Path) -> None:
    with LocalCloud.start(log_file=tmp_path / "cloud.log") as cloud:
        project = AmplifyProject.make(cloud)
        theirs = _function_that_calls_ours(project)
        _refused_with_all_reasons(project, theirs, tmp_path / "refused")
        _chained_it_stays_and_users_are_attached(project, theirs, tmp_path / "chained")


def _function_that_calls_ours(project: AmplifyProject) -> str:
    """Configure a function on PostAuthentication that calls ours if it knows its name; return its ARN."""
    cloud = project.cloud
    arn = make_function(cloud, _CALLS_OURS)
    let_cognito_invoke(cloud, arn, project.user_pool_id)
    role = cloud.client("lambda").get_function_configuration(FunctionName=arn)["Role"].rpartition("/")[2]
    may_call = document({"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"})
    cloud.client("iam").put_role_policy(RoleName=role, PolicyName="calls-ours", PolicyDocument=may_call)
    project.set_triggers(PostAuthentication=arn)
    return arn


def _refused_with_all_reasons(project: AmplifyProject, theirs: str, directory: Path) -> None:
    """The rollback of a failed first deployment visits no identities."""
    cloud = project.cloud
    cloud.seed_pool_setting(project.user_pool_id, "Holidays", {"Country": "NO"})
    before = project.configuration()["user pool"]
    app = StackApp(cloud, directory, {"adopt": project.adopt, "attachment": "sign-in"})
    app.synth()
    with pytest.raises(ProvisioningError) as refused:
        app.deploy()
    reason = " ".join(str(refused.value).split())
    assert f"has {theirs} on its trigger PostAuthentication" in reason
    assert "adopt.chainedTriggers" in reason
    for setting, arn in project.permissions.items():
        assert arn in reason
        assert f"Set adopt.{setting} to this ARN" in reason
    assert "UpdateUserPool would reset Holidays" in reason
    assert project.configuration()["user pool"] == before
    stacks = cloud.client("cloudformation")
    (stack,) = stacks.describe_stacks(StackName=app.stack_name)["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    pages = stacks.get_paginator("describe_stack_events").paginate(StackName=app.stack_name)
    events = [each for page in pages for each in page["StackEvents"]]
    made = {each["ResourceType"] for each in events if each["ResourceStatus"] == "CREATE_COMPLETE"}
    assert "Custom::IotPolicyOfIdentityPool" in made
    assert "cognito-identity:ListIdentities" not in cloud.calls()
    app.destroy()
    project.set_triggers(PostAuthentication=theirs)  # which resets the setting that no SDK knows


def _chained_it_stays_and_users_are_attached(project: AmplifyProject, theirs: str, directory: Path) -> None:
    adopt = {**project.adopt, **project.permissions, "chainedTriggers": ["PostAuthentication"]}
    chained = deploy(StackApp(project.cloud, directory, {"adopt": adopt, "attachment": "sign-in"}))
    ours = chained.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
    functions = project.cloud.client("lambda")
    functions.update_function_configuration(FunctionName=theirs, Environment={"Variables": {"OURS": ours}})
    assert project.triggers()["PostAuthentication"] == theirs
    user = project.make_user("chained", PASSWORD)
    identity_id = chained.identity_id(chained.sign_in(user))
    chained.wait_until_attached(identity_id)
    document = chained.doctor("PS112", "PS117")
    assert [check(document, each)["status"] for each in ("PS112", "PS117")] == ["passed", "passed"]
    chained.app.destroy()
    assert project.triggers() == {"PostAuthentication": theirs}


# As docs/how-to/adopt.md has it.
_CALLS_OURS = """
import json
import os

import boto3

functions = boto3.client("lambda")


def handler(event, context):
    if ours := os.environ.get("OURS"):
        functions.invoke(FunctionName=ours, Payload=json.dumps(event))
    return event
"""


def _reached(deployment: Deployment, credentials: Credentials, client_id: str, *topics: str) -> list[str]:
    """Return those of the topics that may be subscribed to; none without a connection."""
    reached = []
    for topic in topics:
        with websocket(deployment.cloud, credentials) as mqtt:
            if mqtt.connect(client_id) == 0 and mqtt.subscribe(topic) == 0:
                reached.append(topic)
    return reached


def _attached(configuration: dict[str, Any], role: str) -> list[str]:
    return [each["PolicyName"] for each in configuration["roles"][role]["attached"]]
