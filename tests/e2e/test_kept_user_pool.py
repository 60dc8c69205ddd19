"""An environment with every setting, its user pool kept: destroyed, deployed again on it, destroyed again."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from local_cloud.cdk_app import CdkError
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment, check, deploy_environment
from tests.e2e.operator import operator, policies
from tests.e2e.totp import set_up_totp, sign_in_with_totp
from tests.integration.local_cloud.mqtt import websocket

if TYPE_CHECKING:
    from pathlib import Path

    from local_cloud.process import LocalCloud
    from tests.integration.local_cloud.account import Credentials


_KEPT = {
    "groups": ["admins", "editors"],
    "mfa": "optional",
    "removalPolicy": "retain",
    "tags": {"team": "platform"},
    "terminationProtection": True,
    "topics": ["chat/*", "orders"],
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def kept(account: LocalCloud, directory: Path) -> Deployment:
    return deploy_environment(account, directory, "kept", _KEPT)


@pytest.fixture(scope="module")
def editor(kept: Deployment) -> str:
    """A user of the group of editors, attached while the environment was first deployed."""
    name = kept.make_user()
    kept.add_to_group(name, "editors")
    tokens = kept.sign_in(name)
    assert kept.attached_policies(kept.identity_id(tokens)) == ["myIoTPolicy-kept"]
    return name


def test_the_smoke_test_covers_a_user_of_each_group_and_stays_within_the_topics(kept: Deployment) -> None:
    document = kept.smoke()
    assert document["summary"]["exit_code"] == 0, document
    assert document["summary"]["passed"] == len(document["checks"])
    assert check(document, "PS403")["detail"] == "admins, editors"
    assert check(document, "PS402")["detail"].startswith("chat/pubsub-check-")


@pytest.mark.parametrize("documented", [True, False])
def test_an_operator_needs_one_permission_more_where_there_are_groups(kept: Deployment, documented: bool) -> None:
    for_users, for_groups = policies("pubsub smoke")
    needed = [statement for each in policies("pubsub doctor") for statement in each] + for_users
    statements = needed + for_groups if documented else needed
    names = {"STACK": kept.app.stack_name, "POLICY_NAME": kept.policy_name}
    with operator(kept.cloud, kept.outputs, statements, **names) as keys:
        document = kept.smoke(**keys)
    assert [each["id"] for each in document["checks"] if each["status"] != "passed"] == (
        [] if documented else ["PS403"]
    )


def test_synthesis_prints_nothing_that_anybody_would_have_to_look_at(kept: Deployment) -> None:
    assert kept.app.log("synth").strip() == ""


def test_the_tags_are_on_what_was_made(kept: Deployment) -> None:
    pool = kept.cloud.client("cognito-idp").describe_user_pool(UserPoolId=kept.user_pool_id)["UserPool"]
    assert pool["UserPoolTags"]["team"] == "platform"


def test_a_user_of_a_group_gets_the_groups_role(kept: Deployment, editor: str) -> None:
    assert _role_of(kept, kept.credentials(kept.sign_in(editor))) == _role_of_group(kept, "editors")


def test_without_the_policies_on_the_groups_role_its_users_are_refused_and_others_are_not(
    kept: Deployment, editor: str
) -> None:
    iam = kept.cloud.client("iam")
    credentials = kept.credentials(kept.sign_in(editor))
    nobody_special = kept.credentials(kept.sign_in(kept.make_user()))
    attachment = {
        "RoleName": _role_of(kept, credentials),
        "PolicyArn": "arn:aws:iam::aws:policy/AWSIoTDataAccess",
    }
    assert _connects(kept, credentials)
    iam.detach_role_policy(**attachment)
    try:
        assert not _connects(kept, credentials)
        assert _connects(kept, nobody_special)
        failure = check(kept.smoke(), "PS303")
        assert failure["status"] == "failed"
        assert "The role of group editors lacks AWSIoTDataAccess" in failure["cause"]
        assert failure["fix"].endswith(f"--role-name {attachment['RoleName']} --policy-arn {attachment['PolicyArn']}")
    finally:
        iam.attach_role_policy(**attachment)
    assert _connects(kept, credentials)


def test_users_reach_the_topics_of_the_settings_and_no_others(kept: Deployment, editor: str) -> None:
    credentials = kept.credentials(kept.sign_in(editor))
    for topic, allowed in (("chat/lobby", True), ("orders", True), ("orders/1", False), ("other", False)):
        with websocket(kept.cloud, credentials) as mqtt:
            assert mqtt.connect(str(uuid.uuid4())) == 0
            assert (mqtt.subscribe(topic) == 0) is allowed, topic


def test_a_user_with_a_second_factor_is_not_attached_at_sign_in_but_by_self_attach(kept: Deployment) -> None:
    name = kept.make_user()
    secret = set_up_totp(kept, name)
    # The sign-in without it has attached the policy: take that back.
    identity_id = _marker(kept, name).split("/")[1]
    kept.cloud.client("iot").detach_policy(policyName=kept.policy_name, target=identity_id)
    kept.cloud.client("cognito-idp").admin_update_user_attributes(
        UserPoolId=kept.user_pool_id,
        Username=name,
        UserAttributes=[{"Name": "custom:pubsub_attachment", "Value": ""}],
    )
    tokens = sign_in_with_totp(kept, name, secret)
    assert kept.identity_id(tokens) == identity_id
    line = kept.trigger_lines()[-1]
    assert (line["outcome"], line["reason"]) == ("Skipped", "SecondFactorError")
    assert kept.attached_policies(identity_id) == []
    assert kept.self_attach(kept.credentials(tokens)).body["status"] == "repaired"
    assert kept.attached_policies(identity_id) == ["myIoTPolicy-kept"]


def test_a_changed_document_takes_effect_on_the_next_connection_and_versions_never_run_out(
    kept: Deployment, editor: str, account: LocalCloud, directory: Path
) -> None:
    iot = account.client("iot")
    document = iot.get_policy(policyName=kept.policy_name)["policyDocument"]
    for _ in range(4):  # by hand, as many as AWS IoT has room for
        iot.create_policy_version(policyName=kept.policy_name, policyDocument=document, setAsDefault=False)
    credentials = kept.credentials(kept.sign_in(editor))
    deploy_environment(account, directory, "kept", _KEPT | {"topics": ["news/*"], "groups": ["editors"]})
    with websocket(account, credentials) as mqtt:
        assert mqtt.connect(str(uuid.uuid4())) == 0
        assert mqtt.subscribe("news/today") == 0
    with websocket(account, credentials) as mqtt:
        assert mqtt.connect(str(uuid.uuid4())) == 0
        assert mqtt.subscribe("chat/lobby") != 0
    assert len(iot.list_policy_versions(policyName=kept.policy_name)["policyVersions"]) == 2
    # The group that the settings no longer name has its members still, and the role of users without a group.
    assert _role_of_group(kept, "admins") == kept.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
    assert _role_of_group(kept, "editors") == _role_of(kept, kept.credentials(kept.sign_in(editor)))


def test_destroying_is_refused_until_the_protection_is_lifted(kept: Deployment) -> None:
    with pytest.raises(CdkError, match="TerminationProtection is enabled"):
        kept.app.destroy()


def test_after_destroying_sign_ins_go_on_and_groups_and_their_members_stay(kept: Deployment, editor: str) -> None:
    _lift_protection(kept)
    kept.app.destroy()
    assert set(kept.sign_in(editor)) >= {"IdToken", "AccessToken", "RefreshToken"}
    users = kept.cloud.client("cognito-idp")
    pool = users.describe_user_pool(UserPoolId=kept.user_pool_id)["UserPool"]
    assert pool.get("LambdaConfig", {}) == {}
    # Taking the triggers off has changed nothing else.
    assert (pool["MfaConfiguration"], pool["DeletionProtection"]) == ("OPTIONAL", "ACTIVE")
    assert pool["UserPoolTags"]["team"] == "platform"
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] == 12
    assert [each["GroupName"] for each in users.list_groups(UserPoolId=kept.user_pool_id)["Groups"]] == [
        "admins", "editors"
    ]  # fmt: skip
    groups = users.admin_list_groups_for_user(UserPoolId=kept.user_pool_id, Username=editor)["Groups"]
    assert [each["GroupName"] for each in groups] == ["editors"]
    policies = kept.cloud.client("iot").list_policies()["policies"]
    assert kept.policy_name not in [each["policyName"] for each in policies]  # other environments have theirs


def test_deployed_again_on_the_pool_old_markers_do_not_count(
    kept: Deployment, editor: str, account: LocalCloud, directory: Path
) -> None:
    marker_before = _marker(kept, editor)
    settings = _KEPT | {
        "terminationProtection": False,
        "adopt": {"userPoolId": kept.user_pool_id, "userPoolClientIds": [kept.client_id]},
        "attachment": "sign-in",
    }
    again = deploy_environment(account, directory, "kept", settings)
    assert (again.user_pool_id, again.client_id) == (kept.user_pool_id, kept.client_id)
    assert _marker(again, editor) == marker_before
    tokens = again.sign_in(editor)
    assert again.attached_policies(again.identity_id(tokens)) == ["myIoTPolicy-kept"]
    assert _marker(again, editor).startswith(again.outputs[Output.ATTACHMENT_MARKER])
    assert _marker(again, editor) != marker_before
    assert _role_of(again, again.credentials(tokens)) == _role_of_group(again, "editors")
    assert again.smoke()["summary"]["exit_code"] == 0
    again.app.destroy()
    assert "IdToken" in again.sign_in(editor)


def _connects(deployment: Deployment, credentials: Credentials) -> bool:
    with websocket(deployment.cloud, credentials) as mqtt:
        return mqtt.connect(str(uuid.uuid4())) == 0


def _role_of(deployment: Deployment, credentials: Credentials) -> str:
    arn = deployment.as_user("sts", credentials).get_caller_identity()["Arn"]
    return str(arn).split("/")[1]


def _role_of_group(deployment: Deployment, group: str) -> str:
    answer = deployment.cloud.client("cognito-idp").get_group(UserPoolId=deployment.user_pool_id, GroupName=group)
    return str(answer["Group"]["RoleArn"]).rpartition("/")[2]


def _marker(deployment: Deployment, user_name: str) -> str:
    user = deployment.cloud.client("cognito-idp").admin_get_user(UserPoolId=deployment.user_pool_id, Username=user_name)
    values = {each["Name"]: each["Value"] for each in user["UserAttributes"]}
    return str(values["custom:pubsub_attachment"])


def _lift_protection(deployment: Deployment) -> None:
    deployment.cloud.client("cloudformation").update_termination_protection(
        StackName=deployment.app.stack_name, EnableTerminationProtection=False
    )
