"""An Amplify project is adopted with and without the trigger, and destroy restores it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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

_MARKER = f"custom:{MARKER_ATTRIBUTE}"
_TRIGGERS = {"PostAuthentication", "DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse"}


@dataclass(frozen=True)
class Adopted:
    """An adopted project, and its configuration before the adoption."""

    project: AmplifyProject
    before: dict[str, Any]
    users: dict[str, str]
    """Users from before the deployment."""
    deployment: Deployment
    saved: Path
    """The saved state of the cloud after the adoption."""

    def app(self, settings: dict[str, Any]) -> StackApp:
        """Synthesize the stack with other settings."""
        directory = self.deployment.app.directory.with_name(uuid.uuid4().hex)
        app = StackApp(self.project.cloud, directory, settings)
        app.synth()
        return app


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopted]:
    """Adopted with self-attach."""
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
def copy(adopted: Adopted, tmp_path: Path) -> Iterator[Adopted]:
    """A copy on another cloud, for a test that changes it."""
    with LocalCloud.start(saved=adopted.saved, log_file=tmp_path / "cloud.log") as cloud:
        app = StackApp(cloud, tmp_path / "app", {"adopt": adopted.project.adopt})
        app.synth()
        project = AmplifyProject(**{**vars(adopted.project), "cloud": cloud})
        deployment = Deployment(cloud, app, app.write_outputs())
        yield Adopted(project, adopted.before, adopted.users, deployment, adopted.saved)


def test_adoption_leaves_pools_unchanged_and_guards_roles(adopted: Adopted) -> None:
    project, before = adopted.project, adopted.before
    during = project.configuration()
    roles = during.pop("roles")
    assert during == {key: value for key, value in before.items() if key != "roles"}
    for name, role in roles.items():
        attached = [each["PolicyName"] for each in role["attached"]]
        assert {"AWSIoTDataAccess", "AWSIoTConfigAccess"} < set(attached)
        assert any("ControlPlaneDeny" in each for each in attached)
        assert (role["boundary"], role["trust"]) == (before["roles"][name]["boundary"], before["roles"][name]["trust"])
    notes = "\n".join(adopted.deployment.app.notes())
    assert f"The roles {project.auth_role}, {project.admins_role} get AWSIoTDataAccess and AWSIoTConfigAccess" in notes
    assert "User pool" not in notes


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
    cloud, identity_pool_id = adopted.project.cloud, adopted.project.identity_pool_id
    users, identities = cloud.client("cognito-idp"), cloud.client("cognito-identity")
    pool_id, client_id = make_user_pool(cloud)
    provider = f"cognito-idp.{cloud.region}.amazonaws.com/{pool_id}"
    other = {"ProviderName": provider, "ClientId": client_id, "ServerSideTokenCheck": False}
    before = adopted.deployment.update_identity_pool()
    adopted.deployment.update_identity_pool(CognitoIdentityProviders=[*before["CognitoIdentityProviders"], other])
    try:
        tokens = sign_in(cloud, client_id, make_user(cloud, pool_id))
        logins = {provider: tokens["IdToken"]}
        identity_id = identities.get_id(IdentityPoolId=identity_pool_id, Logins=logins)["IdentityId"]
        given = identities.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)["Credentials"]
        yield identity_id, Credentials(given["AccessKeyId"], given["SecretKey"], given["SessionToken"])
    finally:
        identities.update_identity_pool(**before)
        users.delete_user_pool(UserPoolId=pool_id)


def test_only_users_of_the_adopted_user_pool_are_attached(
    adopted: Adopted, user_of_another_pool: tuple[str, Credentials]
) -> None:
    deployment, (other_id, other_credentials) = adopted.deployment, user_of_another_pool
    answer = deployment.self_attach(other_credentials)
    assert (answer.status, answer.body["status"]) == (403, "refused")
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


def test_project_with_its_own_trigger_is_adopted_at_sign_in_and_restored(copy: Adopted) -> None:
    """The trigger's function calls ours. CloudFormation rejects the update until the settings name it."""
    project = copy.project
    function_arn = _set_function_that_calls_ours(project)
    before = project.configuration() | {"roles": copy.before["roles"]}
    _expect_rejected_update(copy, function_arn)
    at_sign_in = _adopt_at_sign_in(copy, function_arn)
    _expect_only_additions(project.configuration(), before)
    _expect_drift_is_found(at_sign_in, project)
    _set_called_function(project.cloud, function_arn, {})  # a call of a deleted function would fail every sign-in
    at_sign_in.app.destroy()
    after = project.configuration()
    attributes = after["user pool"]["SchemaAttributes"]
    added = [each["Name"] for each in attributes if each not in before["user pool"]["SchemaAttributes"]]
    assert added == [_MARKER]  # Cognito cannot remove attributes
    after["user pool"]["SchemaAttributes"] = [each for each in attributes if each["Name"] != _MARKER]
    assert after == before
    pages = project.cloud.client("ssm").get_paginator("describe_parameters").paginate()
    names = [each["Name"] for page in pages for each in page["Parameters"]]
    assert not [name for name in names if project.user_pool_id in name or "/role-policies/" in name]
    assert "IdToken" in at_sign_in.sign_in(copy.users["ada"])


# From docs/how-to/adopt.md.
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


def _set_function_that_calls_ours(project: AmplifyProject) -> str:
    """Set a function as PostAuthentication trigger that calls ours if it knows the name; return its ARN."""
    cloud = project.cloud
    arn = make_function(cloud, _CALLS_OURS)
    let_cognito_invoke(cloud, arn, project.user_pool_id)
    role = cloud.client("lambda").get_function_configuration(FunctionName=arn)["Role"].rpartition("/")[2]
    may_call = document({"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"})
    cloud.client("iam").put_role_policy(RoleName=role, PolicyName="calls-ours", PolicyDocument=may_call)
    project.set_triggers(PostAuthentication=arn)
    return arn


def _set_called_function(cloud: LocalCloud, function_arn: str, variables: dict[str, str]) -> None:
    cloud.client("lambda").update_function_configuration(
        FunctionName=function_arn, Environment={"Variables": variables}
    )


def _expect_rejected_update(copy: Adopted, function_arn: str) -> None:
    project = copy.project
    pool = project.configuration()["user pool"]
    app = copy.app({"adopt": project.adopt, "attachment": "sign-in"})
    with pytest.raises(ProvisioningError) as rejected:
        app.deploy()
    reason = " ".join(str(rejected.value).split())
    assert f"has {function_arn} on its trigger PostAuthentication" in reason
    assert "adopt.chainedTriggers" in reason
    for setting, arn in project.permissions.items():
        assert arn in reason
        assert f"Set adopt.{setting} to this ARN" in reason
    assert project.configuration()["user pool"] == pool
    (stack,) = project.cloud.client("cloudformation").describe_stacks(StackName=app.stack_name)["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def _adopt_at_sign_in(copy: Adopted, function_arn: str) -> Deployment:
    """Adopt in another access mode while IAM changes take effect slowly."""
    project, cloud = copy.project, copy.project.cloud
    settings = {
        "adopt": {**project.adopt, **project.permissions, "chainedTriggers": ["PostAuthentication"]},
        "attachment": "sign-in",
        "accessMode": "least-privilege",
        "topics": ["room/*"],
    }
    cloud.permission_propagation_seconds = 2
    deployment = deploy(copy.app(settings))
    cloud.permission_propagation_seconds = 0
    _set_called_function(cloud, function_arn, {"OURS": deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]})
    for role in project.configuration()["roles"].values():
        (attached,) = (each["PolicyName"] for each in role["attached"])
        assert "ControlPlaneDeny" in attached
    document = deployment.smoke()
    assert document["summary"]["exit_code"] == 0, document
    return deployment


def _expect_only_additions(during: dict[str, Any], before: dict[str, Any]) -> None:
    pool, pool_before = during["user pool"], dict(before["user pool"])
    config, config_before = pool.pop("LambdaConfig"), pool_before.pop("LambdaConfig")
    assert set(config) - set(config_before) == _TRIGGERS - {"PostAuthentication"}
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
    for same in ("mfa", "clients", "groups", "identity pool roles"):
        assert during[same] == before[same]


def _expect_drift_is_found(at_sign_in: Deployment, project: AmplifyProject) -> None:
    """A later deployment of Amplify removes the triggers."""
    functions = at_sign_in.cloud.client("lambda").list_functions()["Functions"]
    (detector,) = (each["FunctionName"] for each in functions if "DriftDetectorFunction" in each["FunctionName"])
    assert _missing(at_sign_in, detector) == []
    triggers = project.triggers()
    project.set_triggers()
    try:
        assert set(_missing(at_sign_in, detector)) == set(triggers)
        found = check(at_sign_in.doctor("PS112"), "PS112")
        assert "Sign-ins do not attach the policy." in found["cause"]
        role, key = project.permissions.values()
        assert f"also needs iam:PassRole on {role} and kms:CreateGrant on {key}" in found["fix"]
    finally:
        project.set_triggers(**triggers)


def _missing(deployment: Deployment, function: str) -> list[str]:
    deployment.cloud.client("lambda").invoke(FunctionName=function, Payload=b"{}")
    missing: list[str] = deployment.log_lines(function)[-1]["missing"]
    return missing
