"""Another policy name while users are at work: everybody moves, and nobody is without a policy at any moment."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local_cloud.cdk_app import CdkApp, CdkError
from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment, synthesize
from tests.e2e.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OLD, _NEW = "myIoTPolicy", "chatPolicy"
_PER_SECOND = 200
_SETTINGS = {"attachPerSecond": {"signIn": 100, "worker": 100, "sweep": 200}, "detachPerSecond": _PER_SECOND}
_FROM_BEFORE, _AT_THE_END = 200, 2_000
# On AWS it takes minutes, and so the state machine waits for ten.
_PROPAGATION_SECONDS, _WAITS_SECONDS = 1, 2


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    directory = tmp_path_factory.mktemp("renaming")
    with LocalCloud.start(log_file=directory / "cloud.log") as cloud:
        app = _app(cloud, directory, _OLD)
        app.bootstrap()
        made = Deployment(cloud, app, app.deploy())
        made.sign_in(made.make_user())
        cloud.policy_propagation_seconds = _PROPAGATION_SECONDS
        yield made


@pytest.fixture(scope="module")
def from_before(deployment: Deployment) -> list[str]:
    """Identities of users who do not sign in meanwhile."""
    identity_ids = deployment.cloud.seed_identities(deployment.outputs[Output.IDENTITY_POOL_ID], _FROM_BEFORE)
    deployment.cloud.seed_attachments(_OLD, identity_ids)
    return identity_ids


def _app(
    cloud: LocalCloud, directory: Path, policy_name: str, *, breaks: bool = False, another_pool: bool = False
) -> CdkApp:
    """Synthesize the stack with this policy name, and waits that fit the embedded cloud's propagation."""
    name = f"{policy_name}-{'breaks' if breaks else 'whole'}"
    app = CdkApp(cloud, directory / name, settings=_SETTINGS | {"policyName": policy_name})
    synthesize(app)
    (file,) = app.assembly.glob("*.template.json")
    template = json.loads(file.read_text())
    _variables(template, "LeavingFunction")["PROPAGATION_SECONDS"] = str(_WAITS_SECONDS)
    if breaks:
        template["Resources"]["Broken"] = {
            "Type": "AWS::SSM::Parameter",
            # There is one of this name: this is the last resource of all, and cannot be made.
            "Properties": {"Name": "/AmplifyPubSub/attaching", "Type": "String", "Value": "on"},
            "DependsOn": [each for each in template["Resources"] if each.startswith("DestroyGuard")],
        }
    text = json.dumps(template)
    if another_pool:
        (pool,) = (name for name, each in template["Resources"].items() if each["Type"] == "AWS::Cognito::IdentityPool")
        fingerprint = template["Outputs"]["AttachmentMarker"]["Value"]["Fn::Join"][1][0].partition("-")[0]
        text = text.replace(pool, f"Other{pool}").replace(fingerprint, "0123abcd")
    file.write_text(text)
    _publish_as_another(app)
    return app


def _publish_as_another(app: CdkApp) -> None:
    """Let the CDK CLI publish the template that was changed, and not take it for the one it has published already."""
    (assets,) = app.assembly.glob("*.assets.json")
    files = json.loads(assets.read_text())["files"]
    (known,) = (key for key, each in files.items() if each["source"]["path"].endswith(".template.json"))
    another = uuid.uuid4().hex
    for file in (assets, app.assembly / "manifest.json"):
        file.write_text(file.read_text().replace(known, another))


def _variables(template: dict[str, Any], function: str) -> dict[str, str]:
    (found,) = (
        each["Properties"]["Environment"]["Variables"]
        for logical_id, each in template["Resources"].items()
        if each["Type"] == "AWS::Lambda::Function" and logical_id.startswith(function)
    )
    variables: dict[str, str] = found
    return variables


def _policies(deployment: Deployment) -> list[str]:
    return [each["policyName"] for each in deployment.cloud.client("iot").list_policies()["policies"]]


def _everybody_has(deployment: Deployment, policy_name: str, identity_ids: list[str]) -> None:
    assert {tuple(deployment.attached_policies(each)) for each in identity_ids} == {(policy_name,)}
    assert _policies(deployment) == [policy_name]


def test_nobody_is_without_a_policy_while_it_gets_another_name(
    deployment: Deployment, from_before: list[str], tmp_path: Path
) -> None:
    renamed = _app(deployment.cloud, tmp_path, _NEW)
    traffic = Traffic(deployment)
    traffic.identity_ids += from_before
    with traffic.flowing():
        outputs = renamed.deploy()
    assert traffic.wrong == []
    assert outputs[Output.POLICY_NAME] == _NEW
    _everybody_has(deployment, _NEW, traffic.identity_ids)
    assert min(traffic.signed_in, traffic.published) > 10
    assert traffic.looks > 50


def test_rolled_back_everybody_has_the_old_one(deployment: Deployment, from_before: list[str], tmp_path: Path) -> None:
    """The one before may have given it the new name already: then it is to get its first one again."""
    (name,) = _policies(deployment)
    broken = _app(deployment.cloud, tmp_path, _OLD if name == _NEW else _NEW, breaks=True)
    traffic = Traffic(deployment)
    traffic.identity_ids += from_before
    with traffic.flowing(), pytest.raises(CdkError, match="Broken"):
        broken.deploy()
    assert traffic.wrong == []
    (stack,) = deployment.cloud.client("cloudformation").describe_stacks(StackName="AmplifyPubSub")["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    _everybody_has(deployment, name, traffic.identity_ids)


def test_in_another_identity_pool_users_are_attached_anew_and_identities_of_the_old_one_detached(
    deployment: Deployment, from_before: list[str], tmp_path: Path
) -> None:
    (policy_name,) = _policies(deployment)
    user = deployment.make_user()
    before = [*from_before, deployment.identity_id(deployment.sign_in(user))]
    app = _app(deployment.cloud, tmp_path, policy_name, another_pool=True)
    moved = Deployment(deployment.cloud, app, app.deploy())
    assert moved.outputs[Output.IDENTITY_POOL_ID] != deployment.outputs[Output.IDENTITY_POOL_ID]
    assert {tuple(deployment.attached_policies(each)) for each in before} == {()}
    assert moved.attached_policies(moved.identity_id(moved.sign_in(user))) == [policy_name]


def test_a_stack_with_thousands_attached_is_destroyed_at_its_rate(deployment: Deployment) -> None:
    (pool,) = deployment.cloud.client("cognito-identity").list_identity_pools(MaxResults=60)["IdentityPools"]
    identity_ids = deployment.cloud.seed_identities(pool["IdentityPoolId"], _AT_THE_END)
    (policy_name,) = _policies(deployment)
    deployment.cloud.seed_attachments(policy_name, identity_ids)
    before = deployment.cloud.calls()
    started = time.monotonic()
    deployment.app.destroy()
    seconds = time.monotonic() - started
    assert _policies(deployment) == []
    assert {tuple(deployment.attached_policies(each)) for each in identity_ids[:50]} == {()}
    detached = deployment.calls_of(before)["iot:DetachPolicy"]
    assert detached >= _AT_THE_END
    assert detached / seconds <= _PER_SECOND, "faster than the rate of the settings"
    stacks = deployment.cloud.client("cloudformation")
    with pytest.raises(stacks.exceptions.ClientError, match="does not exist"):
        stacks.describe_stacks(StackName="AmplifyPubSub")
    print(f"destroyed with {_AT_THE_END} attached in {seconds:.0f} s")
