"""An environment with a retained user pool is destroyed, deployed again on the pool, and destroyed again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_cloud.process import LocalCloud
from local_cloud.provisioning import ProvisioningError
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment, check, deploy, warm
from tests.e2e.operator import operator, policies
from tests.e2e.stack_app import StackApp
from tests.integration.local_cloud.account import ALLOW_IOT, Credentials, make_role
from tests.integration.local_cloud.mqtt import websocket

_KEPT: dict[str, Any] = {
    "groups": ["admins", "editors"],
    "mfa": "optional",
    "permissionsBoundary": "Developers",
    "removalPolicy": "retain",
    "tags": {"team": "platform"},
    "terminationProtection": True,
    "topics": ["chat/*", "orders"],
}
_READ_POLICY = ["iam:GetPolicy", "iam:GetPolicyVersion"]
# Longer than the time between the creation of a policy and of the resource that needs it.
_IAM_SECONDS = 3


def _app(cloud: LocalCloud, directory: Path, settings: dict[str, Any]) -> StackApp:
    return StackApp(cloud, directory / "app", {"environments": {"kept": settings}}, "kept")


def _deploy(cloud: LocalCloud, directory: Path, settings: dict[str, Any]) -> Deployment:
    made = deploy(_app(cloud, directory, settings))
    warm(made)
    return made


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def kept(directory: Path) -> Iterator[Deployment]:
    """Deployed while IAM changes take effect slowly, so custom resources start before they have permissions."""
    with LocalCloud.start(log_file=directory / "cloud.log") as cloud:
        allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        cloud.client("iam").create_policy(PolicyName="Developers", PolicyDocument=json.dumps(allow))
        cloud.permission_propagation_seconds = _IAM_SECONDS
        made = _deploy(cloud, directory, _KEPT)
        cloud.permission_propagation_seconds = 0
        cloud.save(directory / "saved")
        yield made


def _make_editor(kept: Deployment) -> str:
    """Create a user of the group ``editors``, and sign the user in."""
    name = kept.make_user()
    kept.add_to_group(name, "editors")
    tokens = kept.sign_in(name)
    assert kept.attached_policies(kept.identity_id(tokens)) == ["myIoTPolicy-kept"]
    return name


def test_smoke_covers_each_group_with_the_documented_permissions(kept: Deployment) -> None:
    boundary = {"Effect": "Allow", "Action": _READ_POLICY, "Resource": "arn:aws:iam::ACCOUNT:policy/Developers"}
    documented = [each for name in ("pubsub doctor", "pubsub smoke") for part in policies(name) for each in part]
    names = {"STACK": kept.app.stack_name, "POLICY_NAME": kept.policy_name}
    with operator(kept.cloud, kept.outputs, [*documented, boundary], **names) as keys:
        document = kept.smoke(**keys)
    assert document["summary"]["exit_code"] == 0, document
    assert document["summary"]["passed"] == len(document["checks"])
    assert check(document, "PS403")["detail"] == "admins, editors"
    # The account requires its own boundary, so a deny is the guard.
    assert check(document, "PS308")["detail"].startswith("deny ")
    assert "explicit deny" in check(document, "PS312")["detail"]


def test_synth_prints_no_notes(kept: Deployment) -> None:
    assert kept.app.notes() == []


def test_group_users_get_its_role_and_reach_the_configured_topics(kept: Deployment) -> None:
    credentials = kept.credentials(kept.sign_in(_make_editor(kept)))
    assert _role_of(kept, credentials) == _role_of_group(kept, "editors")
    for topic, allowed in (("chat/lobby", True), ("orders", True), ("orders/1", False), ("other", False)):
        with websocket(kept.cloud, credentials) as mqtt:
            assert mqtt.connect(str(uuid.uuid4())) == 0
            assert (mqtt.subscribe(topic) == 0) is allowed, topic


def test_doctor_reports_a_missing_deny_with_its_fix(kept: Deployment) -> None:
    iam = kept.cloud.client("iam")
    role = kept.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    (deny,) = (each["PolicyArn"] for each in attached if "ControlPlaneDeny" in each["PolicyName"])
    iam.detach_role_policy(RoleName=role, PolicyArn=deny)
    try:
        found = check(kept.doctor("PS308"), "PS308")
    finally:
        iam.attach_role_policy(RoleName=role, PolicyArn=deny)
    assert found["status"] == "failed"
    assert found["fix"] == f"aws iam attach-role-policy --role-name {role} --policy-arn {deny}"


def test_environment_is_redeployed_on_its_retained_user_pool(kept: Deployment, tmp_path: Path) -> None:
    assert kept.app.stack_name == "AmplifyPubSub-kept"
    with LocalCloud.start(saved=kept.app.directory.with_name("saved"), log_file=tmp_path / "cloud.log") as cloud:
        app = _app(cloud, tmp_path / "restored", _KEPT)
        app.synth()
        own = Deployment(cloud, app, app.write_outputs())
        warm(own)
        editor = _make_editor(own)
        _change_topics_and_groups(own, editor, tmp_path)
        _destroy_and_keep_the_user_pool(own, editor)
        _deploy_again_on_the_user_pool(own, editor, tmp_path)


def _change_topics_and_groups(own: Deployment, editor: str, directory: Path) -> None:
    cloud, iot = own.cloud, own.cloud.client("iot")
    document = iot.get_policy(policyName=own.policy_name)["policyDocument"]
    for _ in range(4):  # five versions, as many as AWS IoT allows
        iot.create_policy_version(policyName=own.policy_name, policyDocument=document, setAsDefault=False)
    credentials = own.credentials(own.sign_in(editor))
    _deploy(cloud, directory, _KEPT | {"topics": ["news/*"], "groups": ["editors"]})
    for topic, allowed in (("news/today", True), ("chat/lobby", False)):
        with websocket(cloud, credentials) as mqtt:
            assert mqtt.connect(str(uuid.uuid4())) == 0
            assert (mqtt.subscribe(topic) == 0) is allowed, topic
    assert len(iot.list_policy_versions(policyName=own.policy_name)["policyVersions"]) == 2
    # A group that the settings no longer name keeps its members and gets AuthRole.
    assert _role_of_group(own, "admins") == own.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
    assert _role_of_group(own, "editors") == _role_of(own, own.credentials(own.sign_in(editor)))


def _destroy_and_keep_the_user_pool(own: Deployment, editor: str) -> None:
    with pytest.raises(ProvisioningError, match="TerminationProtection is enabled"):
        own.app.destroy()
    own.cloud.client("cloudformation").update_termination_protection(
        StackName=own.app.stack_name, EnableTerminationProtection=False
    )
    own.app.destroy()
    assert set(own.sign_in(editor)) >= {"IdToken", "AccessToken", "RefreshToken"}
    users = own.cloud.client("cognito-idp")
    pool = users.describe_user_pool(UserPoolId=own.user_pool_id)["UserPool"]
    assert pool.get("LambdaConfig", {}) == {}
    # Removing the triggers changed no other setting.
    assert (pool["MfaConfiguration"], pool["DeletionProtection"]) == ("OPTIONAL", "ACTIVE")
    assert pool["UserPoolTags"]["team"] == "platform"
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] == 12
    groups = users.list_groups(UserPoolId=own.user_pool_id)["Groups"]
    assert sorted(each["GroupName"] for each in groups) == ["admins", "editors"]
    groups = users.admin_list_groups_for_user(UserPoolId=own.user_pool_id, Username=editor)["Groups"]
    assert [each["GroupName"] for each in groups] == ["editors"]
    assert own.cloud.client("iot").list_policies()["policies"] == []


def _deploy_again_on_the_user_pool(own: Deployment, editor: str, directory: Path) -> None:
    marker_before = str(own.marker(editor))
    theirs = make_role(own.cloud, ALLOW_IOT, trusts={"Federated": "cognito-identity.amazonaws.com"})
    users, support = own.cloud.client("cognito-idp"), {"UserPoolId": own.user_pool_id, "GroupName": "support"}
    users.create_group(**support, RoleArn=theirs, Precedence=7, Description="theirs")
    settings = _KEPT | {
        "groups": ["support", "admins", "editors"],
        "terminationProtection": False,
        "adopt": {
            "userPoolId": own.user_pool_id,
            "userPoolClientIds": [own.client_id],
            "replaceGroupRoles": {"support": theirs},
        },
        "attachment": "sign-in",
    }
    again = _deploy(own.cloud, directory / "again", settings)
    assert (again.user_pool_id, again.client_id) == (own.user_pool_id, own.client_id)
    assert str(again.marker(editor)) == marker_before
    tokens = again.sign_in(editor)
    assert again.attached_policies(again.identity_id(tokens)) == ["myIoTPolicy-kept"]
    assert str(again.marker(editor)).startswith(again.outputs[Output.ATTACHMENT_MARKER])
    assert str(again.marker(editor)) != marker_before
    assert _role_of(again, again.credentials(tokens)) == _role_of_group(again, "editors")
    assert _role_of_group(again, "support") != theirs.rpartition("/")[2]
    assert again.smoke()["summary"]["exit_code"] == 0
    again.app.destroy()
    restored = users.get_group(**support)["Group"]
    assert (restored["RoleArn"], restored["Precedence"], restored["Description"]) == (theirs, 7, "theirs")
    assert "IdToken" in again.sign_in(editor)


def _role_of(deployment: Deployment, credentials: Credentials) -> str:
    arn = deployment.as_user("sts", credentials).get_caller_identity()["Arn"]
    return str(arn).split("/")[1]


def _role_of_group(deployment: Deployment, group: str) -> str:
    answer = deployment.cloud.client("cognito-idp").get_group(UserPoolId=deployment.user_pool_id, GroupName=group)
    return str(answer["Group"]["RoleArn"]).rpartition("/")[2]
