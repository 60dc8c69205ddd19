"""`pubsub adopt` prints settings and their changes, and changes nothing itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output
from stacks.settings import read_settings
from tests.e2e.amplify_project.project import STACK, AmplifyProject
from tests.e2e.commands import run_pubsub
from tests.e2e.conftest import PASSWORD, Deployment
from tests.e2e.operator import operator, policies, without_each
from tests.integration.local_cloud.account import document as policy_document
from tests.integration.local_cloud.account import make_function


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmplifyProject]:
    with LocalCloud.start(log_file=tmp_path_factory.mktemp("adopt") / "cloud.log") as cloud:
        made = AmplifyProject.make(cloud)
        made.make_user("ada", PASSWORD)
        yield made


def _run(project: AmplifyProject, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_pubsub(["adopt", *arguments], project.cloud.environment() | variables, "")


def _adopt(project: AmplifyProject, *arguments: str) -> dict[str, Any]:
    done = _run(project, "--json", *arguments)
    document: dict[str, Any] = json.loads(done.stdout)
    assert (document["schema"], document["command"]) == (1, "adopt")
    return document | {"exit_code": done.returncode}


def _changes(document: dict[str, Any]) -> dict[str, str]:
    return {each["resource"]: each["change"] for each in document["adopt"]["changes"]}


def test_adopt_without_options_lists_candidates(project: AmplifyProject) -> None:
    done = _run(project)
    assert done.returncode == 0
    assert f"pubsub adopt --amplify-stack {STACK}\n" in done.stdout
    assert f"pubsub adopt --identity-pool-id {project.identity_pool_id}" in done.stdout
    listed = _adopt(project)["candidates"]
    assert listed["amplify_stacks"] == [STACK]
    assert [each["id"] for each in listed["identity_pools"]] == [project.identity_pool_id]


@pytest.mark.parametrize("by", ["the parent stack", "the identity pool", "the configuration file"])
def test_adopt_prints_pools_clients_and_roles_as_settings(project: AmplifyProject, by: str, tmp_path: Path) -> None:
    file = tmp_path / "amplifyconfiguration.json"
    config = {
        "aws_project_region": project.cloud.region,
        "aws_user_pools_id": project.user_pool_id,
        "aws_user_pools_web_client_id": project.web_client_id,
        "aws_cognito_identity_pool_id": project.identity_pool_id,
    }
    file.write_text(json.dumps(config))
    options = {
        "the configuration file": ("--config", str(file)),
        "the parent stack": ("--amplify-stack", STACK),
        "the identity pool": ("--identity-pool-id", project.identity_pool_id),
    }
    document = _adopt(project, *options[by])
    settings = document["adopt"]["settings"]
    assert settings == {"adopt": project.adopt}
    read_settings(settings, None)
    assert document["exit_code"] == 0


def test_adopt_puts_the_app_client_of_the_configuration_file_first(project: AmplifyProject, tmp_path: Path) -> None:
    file = tmp_path / "amplify_outputs.json"

    def adopt(client_id: str) -> subprocess.CompletedProcess[str]:
        file.write_text(json.dumps({"auth": {"user_pool_id": project.user_pool_id, "user_pool_client_id": client_id}}))
        return _run(project, "--json", "--config", str(file))

    for first, second in permutations([project.web_client_id, project.native_client_id]):
        settings = json.loads(adopt(first).stdout)["adopt"]["settings"]
        assert settings["adopt"]["userPoolClientIds"] == [first, second]
    done = adopt("deleted")
    assert done.returncode == 2
    assert "the front end's app client deleted is not one of" in done.stderr


def test_adopt_of_a_user_pool_creates_an_identity_pool(project: AmplifyProject) -> None:
    document = _adopt(project, "--user-pool-id", project.user_pool_id)
    assert set(document["adopt"]["settings"]["adopt"]) == {"userPoolId", "userPoolClientIds"}
    assert _changes(document)["identity pool"].startswith("is created")


def test_adopt_lists_changes_of_roles_and_none_of_pools(project: AmplifyProject) -> None:
    changes = _changes(_adopt(project, "--amplify-stack", STACK, "--topic", "orders/*"))
    assert changes[f"user pool {project.user_pool_id}"] == "does not change"
    assert changes[f"identity pool {project.identity_pool_id}"] == "does not change"
    assert changes[f"role {project.auth_role}"] == (
        "gets AWSIoTDataAccess and AWSIoTConfigAccess, is denied AWS IoT's control plane, and may call the self-attach "
        "route"
    )
    assert changes["identities"].endswith("myIoTPolicy: connect, publish, subscribe and receive on orders/*")
    assert "guests" in changes


def test_adopt_lists_every_addition_for_attachment_at_sign_in(project: AmplifyProject) -> None:
    document = _adopt(project, "--amplify-stack", STACK, "--attachment", "sign-in")
    listed = [f"{each['resource']}: {each['change']}" for each in document["adopt"]["changes"]]
    pool = f"user pool {project.user_pool_id}"
    assert f"{pool}: gets the attribute custom:pubsub_attachment, which Cognito can never remove" in listed
    assert f"{pool}: gets an app client for the internal sign-in" in listed
    for trigger in ("PostAuthentication", "DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse"):
        assert f"{pool}, trigger {trigger}: calls the stack's function" in listed
    assert f"identity pool {project.identity_pool_id}: also accepts the tokens of that app client" in listed
    settings = document["adopt"]["settings"]
    assert settings["attachment"] == "sign-in"
    assert read_settings(settings, None).attachment == "sign-in"
    # Cognito requires these permissions to change a pool that sends messages.
    role, key = project.permissions.values()
    assert settings["adopt"] | project.permissions == settings["adopt"]
    (of_role,) = (each for each in listed if each.startswith(f"role {role.rpartition('/')[2]}: "))
    assert "the stack may pass it to Amazon Cognito (iam:PassRole)" in of_role
    (of_key,) = (each for each in listed if each.startswith(f"key {key}: "))
    assert "the stack may create grants for it (kms:CreateGrant)" in of_key


def test_adopt_lists_changes_of_group_roles(project: AmplifyProject) -> None:
    document = _adopt(project, "--user-pool-id", project.user_pool_id, "--group", "admins", "--group", "editors")
    settings = document["adopt"]["settings"]
    assert settings["groups"] == ["admins", "editors"]
    assert settings["adopt"]["replaceGroupRoles"] == {"admins": project.role_arn(project.admins_role)}
    assert read_settings(settings, None).groups == ["admins", "editors"]
    changes = _changes(document)
    assert f"instead of {project.admins_role}; both are restored" in changes["group admins"]
    assert changes["group editors"].startswith("is created with its own role")


def test_adopt_avoids_the_name_of_an_existing_policy(project: AmplifyProject) -> None:
    iot = project.cloud.client("iot")
    allow = policy_document({"Effect": "Allow", "Action": "iot:*", "Resource": "*"})
    iot.create_policy(policyName="myIoTPolicy", policyDocument=allow)
    try:
        document = _adopt(project, "--amplify-stack", STACK)
        assert document["adopt"]["settings"]["policyName"] == "myIoTPolicy-pubsub"
        assert any("already exists" in note for note in document["adopt"]["notes"])
    finally:
        iot.delete_policy(policyName="myIoTPolicy")


def test_adopt_warns_of_roles_that_may_attach_policies(project: AmplifyProject) -> None:
    iam = project.cloud.client("iam")
    allow = policy_document({"Effect": "Allow", "Action": "iot:*", "Resource": "*"})
    iam.put_role_policy(RoleName=project.auth_role, PolicyName="manual", PolicyDocument=allow)
    try:
        notes = _adopt(project, "--amplify-stack", STACK)["adopt"]["notes"]
        assert any(f"{project.auth_role} allows signed-in users to attach IoT policies" in note for note in notes)
    finally:
        iam.delete_role_policy(RoleName=project.auth_role, PolicyName="manual")


def test_adopt_is_blocked_by_a_trigger_unless_it_is_chained(project: AmplifyProject) -> None:
    theirs = make_function(project.cloud, "def handler(event, context): return event")
    project.set_triggers(DefineAuthChallenge=theirs)
    try:
        sign_in = ("--amplify-stack", STACK, "--attachment", "sign-in")
        done = _run(project, *sign_in)
        assert done.returncode == 1
        assert f"The user pool's trigger DefineAuthChallenge already has a function, {theirs}." in done.stderr
        chained = _adopt(project, *sign_in, "--chained-trigger", "DefineAuthChallenge")
        assert chained["exit_code"] == 0
        assert chained["adopt"]["settings"]["adopt"]["chainedTriggers"] == ["DefineAuthChallenge"]
        assert _run(project, "--amplify-stack", STACK).returncode == 0  # self-attach needs no trigger
    finally:
        project.set_triggers()


def test_adopt_is_blocked_by_inline_policies_near_the_limit(project: AmplifyProject) -> None:
    iam = project.cloud.client("iam")
    buckets = [f"arn:aws:s3:::shop-{number:03}-{'x' * 40}/*" for number in range(150)]
    theirs = policy_document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": buckets})
    iam.put_role_policy(RoleName=project.auth_role, PolicyName="theirs", PolicyDocument=theirs)
    try:
        (blocker,) = _adopt(project, "--amplify-stack", STACK)["adopt"]["blockers"]
        assert f"The inline policies of the role {project.auth_role} have " in blocker["cause"]
    finally:
        iam.delete_role_policy(RoleName=project.auth_role, PolicyName="theirs")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--amplify-stack", "amplify-none-dev-1"), "there is no stack amplify-none-dev-1 in us-east-1"),
        (("--user-pool-id", "us-east-1_none"), "there is no user pool us-east-1_none in us-east-1"),
        (
            ("--identity-pool-id", "us-east-1:11111111-2222-3333-4444-555555555555"),
            "there is no identity pool us-east-1:11111111-2222-3333-4444-555555555555 in us-east-1",
        ),
        (("--amplify-stack", STACK, "--user-pool-client-id", "none"), "has no app client none"),
    ],
)
def test_adopt_reports_missing_resources_in_one_line(
    project: AmplifyProject, arguments: tuple[str, ...], message: str
) -> None:
    done = _run(project, *arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""


def test_adopt_of_an_identity_pool_with_two_user_pools_needs_the_id(project: AmplifyProject) -> None:
    users, identities = project.cloud.client("cognito-idp"), project.cloud.client("cognito-identity")
    other = users.create_user_pool(PoolName="other")["UserPool"]["Id"]
    client = users.create_user_pool_client(UserPoolId=other, ClientName="web")["UserPoolClient"]["ClientId"]
    prefix = f"cognito-idp.{project.cloud.region}.amazonaws.com"
    pool = identities.create_identity_pool(
        IdentityPoolName="both",
        AllowUnauthenticatedIdentities=False,
        CognitoIdentityProviders=[
            {"ProviderName": f"{prefix}/{other}", "ClientId": client},
            {"ProviderName": f"{prefix}/{project.user_pool_id}", "ClientId": project.web_client_id},
        ],
    )["IdentityPoolId"]
    identities.set_identity_pool_roles(
        IdentityPoolId=pool, Roles={"authenticated": project.role_arn(project.auth_role)}
    )
    try:
        done = _run(project, "--identity-pool-id", pool)
        assert done.returncode == 2
        assert "accepts tokens of several user pools" in done.stderr
        both = _adopt(project, "--identity-pool-id", pool, "--user-pool-id", project.user_pool_id)
        assert both["adopt"]["settings"]["adopt"]["userPoolClientIds"] == [project.web_client_id]
        (note,) = (each for each in both["adopt"]["notes"] if "other identity providers" in each)
        assert f"{prefix}/{other}." in note
        assert project.user_pool_id not in note
        assert "does not trust identity pool" in both["adopt"]["blockers"][0]["cause"]
    finally:
        identities.delete_identity_pool(IdentityPoolId=pool)
        users.delete_user_pool(UserPoolId=other)


def test_pools_of_a_deployment_are_not_offered(deployment: Deployment) -> None:
    variables = deployment.cloud.environment()
    listed = json.loads(run_pubsub(["adopt", "--json"], variables, "").stdout)["candidates"]["identity_pools"]
    assert deployment.outputs[Output.IDENTITY_POOL_ID] not in {each["id"] for each in listed}
    done = run_pubsub(["adopt", "--json", "--user-pool-id", deployment.user_pool_id], variables, "")
    (blocker,) = json.loads(done.stdout)["adopt"]["blockers"]
    assert done.returncode == 1
    assert blocker["cause"].startswith("The stack AmplifyPubSub of this toolkit created")
    assert blocker["fix"].endswith("pubsub doctor --stack AmplifyPubSub")


def test_adopt_changes_nothing(project: AmplifyProject) -> None:
    before = project.configuration()
    for attachment in ("self-attach", "sign-in"):
        _run(project, "--amplify-stack", STACK, "--attachment", attachment)
    assert project.configuration() == before


def test_adopt_needs_exactly_the_documented_permissions(project: AmplifyProject) -> None:
    (statements,) = policies("pubsub adopt")

    def passes(granted: list[dict[str, Any]]) -> bool:
        with operator(project.cloud, {}, granted) as keys:
            return all(_run(project, *each, **keys).returncode == 0 for each in ((), ("--amplify-stack", STACK)))

    _make_identity(project)
    iam, policy = project.cloud.client("iam"), {"RoleName": project.auth_role, "PolicyName": "theirs"}
    iam.put_role_policy(
        **policy, PolicyDocument=policy_document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    )
    assert passes(statements)
    assert [action for action, left in without_each(statements) if passes(left)] == []
    iam.delete_role_policy(**policy)


def _make_identity(project: AmplifyProject) -> None:
    """Create an identity for a user with a temporary app client."""
    users, identities = project.cloud.client("cognito-idp"), project.cloud.client("cognito-identity")
    client = users.create_user_pool_client(
        UserPoolId=project.user_pool_id, ClientName="admin", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    pool = identities.describe_identity_pool(IdentityPoolId=project.identity_pool_id)
    provider = f"cognito-idp.{project.cloud.region}.amazonaws.com/{project.user_pool_id}"

    def set_providers(*added: dict[str, str]) -> None:
        identities.update_identity_pool(
            IdentityPoolId=project.identity_pool_id,
            IdentityPoolName=pool["IdentityPoolName"],
            AllowUnauthenticatedIdentities=False,
            CognitoIdentityProviders=[*pool["CognitoIdentityProviders"], *added],
        )

    set_providers({"ProviderName": provider, "ClientId": client})
    tokens = users.admin_initiate_auth(
        UserPoolId=project.user_pool_id,
        ClientId=client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ada@example.com", "PASSWORD": PASSWORD},
    )["AuthenticationResult"]
    identities.get_id(IdentityPoolId=project.identity_pool_id, Logins={provider: tokens["IdToken"]})
    set_providers()
    users.delete_user_pool_client(UserPoolId=project.user_pool_id, ClientId=client)
