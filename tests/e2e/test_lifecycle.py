"""A stack whose users are attached gets another policy name, another identity pool, and is destroyed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.provisioning import ProvisioningError
from pubsub_client.outputs import Output
from tests.e2e.conftest import FAST, Deployment, deployed
from tests.e2e.stack_app import StackApp
from tests.e2e.traffic import Traffic

_OLD, _NEW = "myIoTPolicy", "chatPolicy"
_FROM_BEFORE, _AT_THE_END = 70, 500
# On AWS it takes minutes, and so the state machine waits for ten.
_PROPAGATION_SECONDS, _WAITS_SECONDS = 1, 2


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Deployment]:
    with deployed(tmp_path, FAST) as made:
        yield made


def _seed(deployment: Deployment, count: int, policy_name: str = _OLD) -> list[str]:
    """Make attached identities of users who do not sign in meanwhile."""
    identity_ids = deployment.cloud.seed_identities(deployment.outputs[Output.IDENTITY_POOL_ID], count)
    deployment.cloud.seed_attachments(policy_name, identity_ids)
    return identity_ids


def _app(own: Deployment, policy_name: str, *, breaks: bool = False) -> StackApp:
    """Synthesize the stack with this policy name, and waits that fit the local cloud's propagation."""
    directory = own.app.directory / f"{policy_name}-{'breaks' if breaks else 'whole'}"
    app = StackApp(own.cloud, directory, FAST | {"policyName": policy_name})
    app.synth()
    template = json.loads(app.template_file.read_text())
    functions = {
        each["Properties"]["Handler"]: each["Properties"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Lambda::Function"
    }
    functions["detach_all.handler"]["Environment"]["Variables"]["PROPAGATION_SECONDS"] = str(_WAITS_SECONDS)
    # It leaves two minutes unused, so it continues in another invocation whenever it has to wait.
    functions["iot_resources.handler"]["Timeout"] = 121
    if breaks:
        template["Resources"]["Broken"] = {
            "Type": "AWS::SSM::Parameter",
            # A parameter of this name exists: this last resource of all cannot be made.
            "Properties": {"Name": "/AmplifyPubSub/attachment-paused", "Type": "String", "Value": "false"},
            "DependsOn": [each for each in template["Resources"] if each.startswith("DeletionGuard")],
        }
    app.template_file.write_text(json.dumps(template))
    return app


def _with_another_identity_pool(app: StackApp) -> StackApp:
    text = app.template_file.read_text()
    template = json.loads(text)
    (pool,) = (name for name, each in template["Resources"].items() if each["Type"] == "AWS::Cognito::IdentityPool")
    fingerprint = template["Outputs"]["AttachmentMarker"]["Value"]["Fn::Join"][1][0].partition("-")[0]
    app.template_file.write_text(text.replace(pool, f"Other{pool}").replace(fingerprint, "0123abcd"))
    return app


def _policies(deployment: Deployment) -> list[str]:
    return [each["policyName"] for each in deployment.cloud.client("iot").list_policies()["policies"]]


def test_renamed_policy_leaves_nobody_without_one_and_a_rollback_neither(own: Deployment) -> None:
    own.cloud.policy_propagation_seconds = _PROPAGATION_SECONDS
    traffic = Traffic(own)
    traffic.identity_ids += _seed(own, _FROM_BEFORE)
    with traffic.flowing():
        outputs = _app(own, _NEW).deploy()
        assert outputs[Output.POLICY_NAME] == _NEW
        assert _policies(own) == [_NEW]
        assert {tuple(own.attached_policies(each)) for each in traffic.identity_ids} == {(_NEW,)}
        with pytest.raises(ProvisioningError, match="Broken"):
            _app(own, _OLD, breaks=True).deploy()
    assert traffic.wrong == []
    assert min(traffic.signed_in, traffic.published, traffic.looks) > 10
    (stack,) = own.cloud.client("cloudformation").describe_stacks(StackName=own.app.stack_name)["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert _policies(own) == [_NEW]
    assert {tuple(own.attached_policies(each)) for each in traffic.identity_ids} == {(_NEW,)}


def test_another_identity_pool_moves_the_attachments_and_destroying_leaves_nothing(own: Deployment) -> None:
    user = own.make_user()
    before = [*_seed(own, _FROM_BEFORE), own.identity_id(own.sign_in(user))]
    app = _with_another_identity_pool(_app(own, _OLD))
    moved = Deployment(own.cloud, app, app.deploy())
    assert moved.outputs[Output.IDENTITY_POOL_ID] != own.outputs[Output.IDENTITY_POOL_ID]
    assert {tuple(own.attached_policies(each)) for each in before} == {()}
    identity_id = moved.identity_id(moved.sign_in(user))
    assert moved.attached_policies(identity_id) == [_OLD]

    identity_ids = [identity_id, *_seed(moved, _AT_THE_END)]
    calls, started = moved.cloud.calls(), time.monotonic()
    app.destroy()
    seconds = time.monotonic() - started
    detached = moved.calls_of(calls)["iot:DetachPolicy"]
    assert detached >= len(identity_ids)
    assert detached / seconds <= FAST["detachPerSecond"], "faster than the rate of the settings"
    assert {tuple(moved.attached_policies(each)) for each in identity_ids[:50]} == {()}
    _nothing_is_left(moved)

    again = own.app.deploy()
    assert again[Output.ATTACHMENT_MARKER] != own.outputs[Output.ATTACHMENT_MARKER]


def _nothing_is_left(deployment: Deployment) -> None:
    client = deployment.cloud.client
    assert _policies(deployment) == []
    assert client("cognito-idp").list_user_pools(MaxResults=10)["UserPools"] == []
    assert client("cognito-identity").list_identity_pools(MaxResults=10)["IdentityPools"] == []
    assert client("lambda").list_functions()["Functions"] == []
    assert client("logs").describe_log_groups()["logGroups"] == []
    parameters = client("ssm").describe_parameters()["Parameters"]
    assert [each["Name"] for each in parameters if not each["Name"].startswith("/cdk-bootstrap/")] == []
    roles = client("iam").list_roles()["Roles"]
    assert [each["RoleName"] for each in roles if each["RoleName"].startswith("AmplifyPubSub")] == []
