"""A project that Amplify has made, adopted: left as it is, with the trigger, and without a trace afterwards."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from local_cloud.cdk_app import CdkApp, CdkError
from local_cloud.faults.fault import Fault, Hang
from local_cloud.process import LocalCloud
from pubsub_client.outputs import MARKER_ATTRIBUTE, Output
from tests.e2e.amplify_project.project import STACK, AmplifyProject
from tests.e2e.conftest import PASSWORD, Deployment, check
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_MARKER = f"custom:{MARKER_ATTRIBUTE}"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    directory = tmp_path_factory.mktemp("adoption")
    with LocalCloud.start(log_file=directory / "cloud.log") as started:
        CdkApp(started, directory).bootstrap()
        yield started


@pytest.fixture(scope="module")
def project(cloud: LocalCloud) -> AmplifyProject:
    return AmplifyProject.make(cloud)


@pytest.fixture(scope="module")
def before(project: AmplifyProject) -> dict[str, Any]:
    """The configuration of the project, before anything is deployed."""
    return project.configuration()


@pytest.fixture(scope="module")
def users(project: AmplifyProject, before: dict[str, Any]) -> dict[str, str]:
    """Users who were there before the deployment."""
    assert before
    return {
        "ada": project.make_user("ada", PASSWORD),
        "admin": project.make_user("admin", PASSWORD, group="admins"),
    }


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adopted")


def _deploy(cloud: LocalCloud, directory: Path, settings: Mapping[str, Any]) -> Deployment:
    app = CdkApp(cloud, directory, settings=settings)
    app.synth()
    return Deployment(cloud, app, app.deploy())


@pytest.fixture(scope="module")
def left_as_it_is(cloud: LocalCloud, directory: Path, users: dict[str, str]) -> Deployment:
    """Adopted by the name of the parent stack alone."""
    assert users
    return _deploy(cloud, directory / "self-attach", {"adopt": {"amplifyStack": STACK}})


def test_the_parent_stack_is_enough_to_find_pools_clients_and_roles(
    left_as_it_is: Deployment, project: AmplifyProject
) -> None:
    outputs = left_as_it_is.outputs
    assert outputs[Output.USER_POOL_ID] == project.user_pool_id
    assert outputs[Output.USER_POOL_CLIENT_ID] == project.web_client_id
    assert outputs[Output.IDENTITY_POOL_ID] == project.identity_pool_id
    assert outputs[Output.AUTH_ROLE_ARN] == project.role_arn(project.auth_role)


def test_what_is_added_is_told_before_anything_is_deployed(left_as_it_is: Deployment, project: AmplifyProject) -> None:
    told = left_as_it_is.app.log("synth")
    assert f"The roles {project.auth_role}, {project.admins_role} get AWSIoTDataAccess and AWSIoTConfigAccess" in told
    assert "User pool" not in told


@pytest.mark.usefixtures("left_as_it_is")
def test_pools_are_not_changed_and_roles_get_the_policies_and_the_guard(
    before: dict[str, Any], project: AmplifyProject
) -> None:
    during = project.configuration()
    roles = during.pop("roles")
    assert during == {key: value for key, value in before.items() if key != "roles"}
    for name, role in roles.items():
        attached = [each["PolicyName"] for each in role["attached"]]
        assert {"AWSIoTDataAccess", "AWSIoTConfigAccess"} < set(attached)
        assert any("ControlPlaneDeny" in each for each in attached)
        assert (role["boundary"], role["trust"]) == (before["roles"][name]["boundary"], before["roles"][name]["trust"])


@pytest.mark.parametrize("name", ["ada", "admin"])
def test_users_from_before_sign_in_attach_themselves_and_connect(
    left_as_it_is: Deployment, users: dict[str, str], name: str
) -> None:
    credentials = left_as_it_is.credentials(left_as_it_is.sign_in(users[name]))
    assert not _connects(left_as_it_is, credentials)
    assert left_as_it_is.self_attach(credentials).body["status"] == "repaired"
    assert _connects(left_as_it_is, credentials)


def test_users_of_an_adopted_role_are_kept_off_the_control_plane(
    left_as_it_is: Deployment, users: dict[str, str]
) -> None:
    for user in users.values():
        credentials = left_as_it_is.credentials(left_as_it_is.sign_in(user))
        iot = left_as_it_is.as_user("iot", credentials)
        with pytest.raises(iot.exceptions.ClientError, match="explicit deny"):
            iot.list_policies()


def test_the_sweep_attaches_users_whose_clients_only_renew_their_sessions(
    left_as_it_is: Deployment, project: AmplifyProject
) -> None:
    tokens = left_as_it_is.sign_in(project.make_user("renews", PASSWORD))
    identity_id = left_as_it_is.identity_id(tokens)
    assert left_as_it_is.attached_policies(identity_id) == []
    swept = left_as_it_is.pubsub("sweep", "--full")
    assert swept.returncode == 0, swept.stderr
    assert left_as_it_is.attached_policies(identity_id) == ["myIoTPolicy"]


@pytest.fixture
def user_of_another_pool(left_as_it_is: Deployment, project: AmplifyProject) -> Iterator[tuple[str, Credentials]]:
    """Identity and credentials of a user of another application, whose user pool has the same identity pool."""
    users = left_as_it_is.cloud.client("cognito-idp")
    identities = left_as_it_is.cloud.client("cognito-identity")
    pool_id, client_id = make_user_pool(left_as_it_is.cloud)
    described = identities.describe_identity_pool(IdentityPoolId=project.identity_pool_id)
    before = {name: value for name, value in described.items() if name != "ResponseMetadata" and value not in ("", {})}
    provider = f"cognito-idp.{left_as_it_is.cloud.region}.amazonaws.com/{pool_id}"
    other = {"ProviderName": provider, "ClientId": client_id, "ServerSideTokenCheck": False}
    identities.update_identity_pool(
        **before | {"CognitoIdentityProviders": [*before["CognitoIdentityProviders"], other]}
    )
    try:
        tokens = sign_in(left_as_it_is.cloud, client_id, make_user(left_as_it_is.cloud, pool_id))
        logins = {provider: tokens["IdToken"]}
        identity_id = identities.get_id(IdentityPoolId=project.identity_pool_id, Logins=logins)["IdentityId"]
        given = identities.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)["Credentials"]
        yield identity_id, Credentials(given["AccessKeyId"], given["SecretKey"], given["SessionToken"])
    finally:
        identities.update_identity_pool(**before)
        users.delete_user_pool(UserPoolId=pool_id)


def test_users_of_another_provider_of_the_identity_pool_are_not_attached(
    left_as_it_is: Deployment, user_of_another_pool: tuple[str, Credentials]
) -> None:
    identity_id, credentials = user_of_another_pool
    answer = left_as_it_is.self_attach(credentials)
    assert (answer.status, answer.body["status"]) == (403, "refused")
    assert "another identity provider" in answer.body["text"]
    swept = left_as_it_is.pubsub("sweep", "--full")
    assert swept.returncode == 0, swept.stderr
    assert "1 of other identity providers" in swept.stdout
    assert left_as_it_is.attached_policies(identity_id) == []


def test_the_smoke_test_passes_on_the_adopted_project(left_as_it_is: Deployment) -> None:
    document = left_as_it_is.smoke()
    assert document["summary"]["exit_code"] == 0, document
    assert check(document, "PS403")["detail"] == "admins"
    assert check(document, "PS303")["detail"] == "admins"


def test_a_role_taken_out_of_adopt_keeps_its_guard_until_its_policies_are_gone(
    left_as_it_is: Deployment, directory: Path, before: dict[str, Any], project: AmplifyProject
) -> None:
    cloud = left_as_it_is.cloud
    adopt = {
        "userPoolId": project.user_pool_id,
        "userPoolClientIds": [project.web_client_id, project.native_client_id],
        "identityPoolId": project.identity_pool_id,
        "authRoleArn": project.role_arn(project.auth_role),
    }
    cloud.set_faults([Fault(("iam:DetachRolePolicy",), Hang())])
    with ThreadPoolExecutor() as threads:
        deploying = threads.submit(_deploy, cloud, directory / "without-admins", {"adopt": adopt})
        try:
            while not cloud.faults()[0].taken:
                assert not deploying.done(), deploying.result()
                time.sleep(0.1)
            attached = _attached(project.configuration(), project.admins_role)
            assert "AWSIoTConfigAccess" in attached
            assert any("ControlPlaneDeny" in each for each in attached)
        finally:
            cloud.clear_faults("iam:DetachRolePolicy")
    deploying.result()
    after = project.configuration()
    assert after["roles"][project.admins_role] == before["roles"][project.admins_role]
    attached = _attached(after, project.auth_role)
    assert {"AWSIoTDataAccess", "AWSIoTConfigAccess"} < set(attached)
    assert any("ControlPlaneDeny" in each for each in attached)


def _attached(configuration: dict[str, Any], role: str) -> list[str]:
    return [each["PolicyName"] for each in configuration["roles"][role]["attached"]]


@pytest.fixture(scope="module")
def at_sign_in(left_as_it_is: Deployment, directory: Path, project: AmplifyProject) -> Deployment:
    """Adopts a further role too, while IAM takes its time: a function that is there gets a permission for that role."""
    settings = {"adopt": {"amplifyStack": STACK, **project.permissions}, "attachment": "sign-in"}
    cloud = left_as_it_is.cloud
    cloud.permission_propagation_seconds = 5
    deployment = _deploy(cloud, directory / "sign-in", settings)
    cloud.permission_propagation_seconds = 0
    return deployment


class TestWithTheTrigger:
    """The same deployment, with ``attachment: sign-in``."""

    def test_every_addition_is_told_first(self, at_sign_in: Deployment, project: AmplifyProject) -> None:
        told = at_sign_in.app.log("synth")
        assert f"User pool {project.user_pool_id} gets an app client for the nested sign-in and the" in told
        assert f"attribute {_MARKER} unless it has it, which stays" in told
        assert f"Identity pool {project.identity_pool_id} gets that app client among its providers" in told
        assert f"The stack may pass the role {project.permissions['smsRoleArn'].rpartition('/')[2]} to" in told
        assert f"The stack may create grants of the key {project.permissions['customSenderKeyArn']}" in told

    def test_nothing_but_the_additions_is_changed(
        self, at_sign_in: Deployment, before: dict[str, Any], project: AmplifyProject
    ) -> None:
        during = project.configuration()
        pool, pool_before = during["user pool"], dict(before["user pool"])
        config, config_before = pool.pop("LambdaConfig"), pool_before.pop("LambdaConfig")
        assert set(config) - set(config_before) == {
            "PostAuthentication", "DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse"
        }  # fmt: skip
        assert {name: config[name] for name in config_before} == config_before
        assert [each for each in pool.pop("SchemaAttributes") if each["Name"] != _MARKER] == pool_before.pop(
            "SchemaAttributes"
        )
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
        assert at_sign_in.outputs[Output.ATTACHMENT_MARKER]

    @pytest.mark.parametrize("group", [None, "admins"])
    def test_a_new_user_is_attached_while_signing_in(
        self, at_sign_in: Deployment, project: AmplifyProject, group: str | None
    ) -> None:
        user = project.make_user(f"new-{group}", PASSWORD, group=group)
        at_sign_in.sign_in(user)
        at_sign_in.wait_until_nothing_is_owed()
        credentials = at_sign_in.credentials(at_sign_in.sign_in(user))
        assert _connects(at_sign_in, credentials)

    def test_the_smoke_test_passes(self, at_sign_in: Deployment) -> None:
        document = at_sign_in.smoke()
        assert document["summary"]["exit_code"] == 0, document

    def test_the_watch_and_the_doctor_see_what_a_later_deployment_of_amplify_takes_off(
        self, at_sign_in: Deployment, project: AmplifyProject
    ) -> None:
        functions = at_sign_in.cloud.client("lambda")
        watch = next(
            each["FunctionName"]
            for each in functions.list_functions()["Functions"]
            if "WiringWatchFunction" in each["FunctionName"]
        )
        assert self._lost(at_sign_in, watch) == []
        triggers = project.triggers()
        project.set_triggers()
        try:
            assert set(self._lost(at_sign_in, watch)) == set(triggers)
            found = check(_doctor(at_sign_in, "PS112"), "PS112")
            assert "signing in attaches no policy" in found["cause"]
            role, key = project.permissions.values()
            assert f"needs iam:PassRole on {role} and kms:CreateGrant on {key} as well" in found["fix"]
        finally:
            project.set_triggers(**triggers)

    @staticmethod
    def _lost(deployment: Deployment, function: str) -> list[str]:
        deployment.cloud.client("lambda").invoke(FunctionName=function, Payload=b"{}")
        lost: list[str] = deployment._lines_of(function)[-1]["lost"]
        return lost

    def test_after_destroying_all_is_as_before_but_the_marker_attribute(
        self, at_sign_in: Deployment, before: dict[str, Any], project: AmplifyProject, users: dict[str, str]
    ) -> None:
        at_sign_in.app.destroy()
        after = project.configuration()
        attributes = after["user pool"]["SchemaAttributes"]
        assert [each["Name"] for each in attributes if each not in before["user pool"]["SchemaAttributes"]] == [_MARKER]
        after["user pool"]["SchemaAttributes"] = [each for each in attributes if each["Name"] != _MARKER]
        assert after == before
        assert not [name for name in _parameters(at_sign_in.cloud) if project.user_pool_id in name]
        assert "IdToken" in at_sign_in.sign_in(users["ada"])


@pytest.fixture(scope="module")
def theirs(cloud: LocalCloud, project: AmplifyProject) -> str:
    """The ARN of the function, which notes who signed in, and calls ours if it knows its name."""
    arn = make_function(cloud, _CALLS_OURS)
    let_cognito_invoke(cloud, arn, project.user_pool_id)
    functions = cloud.client("lambda")
    role = functions.get_function_configuration(FunctionName=arn)["Role"].rpartition("/")[2]
    may_call = document({"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"})
    cloud.client("iam").put_role_policy(RoleName=role, PolicyName="calls-ours", PolicyDocument=may_call)
    project.set_triggers(PostAuthentication=arn)
    return arn


class TestWhereATriggerIsTaken:
    """Somebody's own function is on PostAuthentication."""

    def test_it_is_refused_with_everything_that_is_in_the_way_and_the_pool_stays_as_it_is(
        self, cloud: LocalCloud, directory: Path, project: AmplifyProject, theirs: str
    ) -> None:
        cloud.seed_pool_setting(project.user_pool_id, "Holidays", {"Country": "NO"})
        before = project.configuration()["user pool"]
        settings = {"adopt": {"amplifyStack": STACK}, "attachment": "sign-in"}
        with pytest.raises(CdkError) as refused:
            _deploy(cloud, directory / "refused", settings)
        told = " ".join(str(refused.value).split())
        assert f"has {theirs} on its trigger PostAuthentication" in told
        assert "adopt.chainedTriggers" in told
        for setting, arn in project.permissions.items():
            assert arn in told
            assert f"Set adopt.{setting} to this ARN" in told
        assert "UpdateUserPool would reset Holidays" in told
        assert project.configuration()["user pool"] == before
        _delete_failed(cloud)
        project.set_triggers(PostAuthentication=theirs)  # which resets the setting that no SDK knows

    def test_chained_it_stays_calls_ours_and_users_are_attached(
        self, cloud: LocalCloud, directory: Path, project: AmplifyProject, theirs: str
    ) -> None:
        adopt = {"amplifyStack": STACK, **project.permissions, "chainedTriggers": ["PostAuthentication"]}
        chained = _deploy(cloud, directory / "chained", {"adopt": adopt, "attachment": "sign-in"})
        ours = chained.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
        functions = cloud.client("lambda")
        functions.update_function_configuration(FunctionName=theirs, Environment={"Variables": {"OURS": ours}})
        assert project.triggers()["PostAuthentication"] == theirs
        user = project.make_user("chained", PASSWORD)
        identity_id = chained.identity_id(chained.sign_in(user))
        chained.wait_until_attached(identity_id)
        for each in ("PS112", "PS117"):
            assert check(_doctor(chained, each), each)["status"] == "passed", each
        chained.app.destroy()
        assert project.triggers() == {"PostAuthentication": theirs}


# As docs/adopting.md has it.
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


def _connects(deployment: Deployment, credentials: Credentials) -> bool:
    with websocket(deployment.cloud, credentials) as mqtt:
        return mqtt.connect(str(uuid.uuid4())) == 0


def _doctor(deployment: Deployment, check_id: str) -> dict[str, Any]:
    done = deployment.pubsub("doctor", "--json", "--only", check_id)
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _parameters(cloud: LocalCloud) -> list[str]:
    pages = cloud.client("ssm").get_paginator("describe_parameters").paginate()
    return [each["Name"] for page in pages for each in page["Parameters"]]


def _delete_failed(cloud: LocalCloud) -> None:
    formation = cloud.client("cloudformation")
    formation.delete_stack(StackName="AmplifyPubSub")
    formation.get_waiter("stack_delete_complete").wait(StackName="AmplifyPubSub", WaiterConfig={"Delay": 1})
