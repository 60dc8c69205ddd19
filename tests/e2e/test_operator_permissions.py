"""docs/operator-permissions.md: each command passes with exactly the documented permissions, and fails without any."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deployment.cdk_cli import cdk_command
from local_cloud.cdk_app import CdkApp
from local_cloud.environment import without_aws
from local_cloud.faults import Fail
from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, synthesized
from tests.e2e.operator import operator, policies, without_each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.conftest import Deployment
    from tests.e2e.operator import Statements

_REPOSITORY = Path(__file__).parents[2]


def _pubsub(deployment: Deployment, keys: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return deployment.pubsub(*arguments, **keys)


def _signed_in(deployment: Deployment) -> tuple[str, str]:
    """Return a user who has signed in, and the identity id."""
    user = deployment.make_user()
    return user, deployment.identity_id(deployment.sign_in(user))


def _outputs(deployment: Deployment, keys: dict[str, str]) -> bool:
    done = _pubsub(deployment, keys, "outputs", "--format", "amplify-outputs")
    return done.returncode == 0 and done.stderr == ""


def _publish(deployment: Deployment, keys: dict[str, str]) -> bool:
    topic, timeout = f"permissions/{uuid.uuid4()}", ("--timeout", "5")
    return _pubsub(deployment, keys, "publish", "--topic", topic, "--retain", "1", *timeout).returncode == 0


def _subscribe(deployment: Deployment, keys: dict[str, str]) -> bool:
    """A retained message is there at once."""
    topic = f"permissions/{uuid.uuid4()}"
    deployment.cloud.client("iot-data").publish(topic=topic, payload=b"1", retain=True)
    return _pubsub(deployment, keys, "subscribe", topic, "--count", "1", "--timeout", "5").returncode == 0


def _identity(deployment: Deployment, keys: dict[str, str]) -> bool:
    user, identity_id = _signed_in(deployment)
    by = [("--user", user), ("--identity-id", identity_id)]
    return all(_pubsub(deployment, keys, "identity", *each).returncode == 0 for each in by)


def _attach(deployment: Deployment, keys: dict[str, str]) -> bool:
    _, identity_id = _signed_in(deployment)
    deployment.cloud.client("iot").detach_policy(policyName="myIoTPolicy", target=identity_id)
    by = [("--user", deployment.make_user()), ("--identity-id", identity_id)]
    return all(_pubsub(deployment, keys, "attach", *each).returncode == 0 for each in by)


def _detach(deployment: Deployment, keys: dict[str, str]) -> bool:
    by = [("--user", _signed_in(deployment)[0]), ("--identity-id", _signed_in(deployment)[1])]
    return all(_pubsub(deployment, keys, "detach", *each).returncode == 0 for each in by)


def _smoke(deployment: Deployment, keys: dict[str, str]) -> bool:
    return _pubsub(deployment, keys, "smoke", "--timeout", "3").returncode == 0


@pytest.fixture
def no_users_stay(deployment: Deployment) -> Iterator[None]:
    """A smoke test that may not remove its users leaves them behind, and other tests share the deployment."""
    yield
    users = deployment.cloud.client("cognito-idp")
    pages = users.get_paginator("list_users").paginate(UserPoolId=deployment.user_pool_id)
    for name in [user["Username"] for page in pages for user in page["Users"]]:
        if name.startswith("pubsub-smoke-"):
            users.admin_delete_user(UserPoolId=deployment.user_pool_id, Username=name)


@pytest.mark.usefixtures("no_users_stay")
@pytest.mark.parametrize(
    ("command", "passes"),
    [
        ("pubsub smoke", _smoke),
        ("pubsub outputs", _outputs),
        ("pubsub publish", _publish),
        ("pubsub subscribe", _subscribe),
        ("pubsub identity", _identity),
        ("pubsub attach", _attach),
        ("pubsub detach", _detach),
    ],
)
def test_the_documented_actions_are_enough_and_none_is_too_many(
    deployment: Deployment, command: str, passes: Callable[[Deployment, dict[str, str]], bool]
) -> None:
    before = policies("pubsub doctor")[0] if command == "pubsub smoke" else []
    _enough_and_none_too_many(deployment, before, policies(command)[0], lambda keys: passes(deployment, keys))


def test_the_doctor_needs_exactly_what_is_documented(deployment: Deployment) -> None:
    user, _ = _signed_in(deployment)
    _enough_and_none_too_many(
        deployment,
        [],
        policies("pubsub doctor")[0],
        lambda keys: _pubsub(deployment, keys, "doctor", "--user", user).returncode == 0,
    )


def _enough_and_none_too_many(
    deployment: Deployment, before: Statements, statements: Statements, passes: Callable[[dict[str, str]], bool]
) -> None:
    """Run a command with all of the statements, and without each of their actions; those before are there always."""

    def passes_with(statements: Statements) -> bool:
        with operator(deployment.cloud, deployment.outputs, before + statements) as keys:
            return passes(keys)

    assert passes_with(statements)
    actions, rests = zip(*without_each(statements), strict=True)
    with ThreadPoolExecutor(4) as pool:
        passed = pool.map(passes_with, rests)
        assert [action for action, ok in zip(actions, passed, strict=True) if ok] == []


@pytest.mark.parametrize("arguments", [("publish", "--topic", "t", "1"), ("subscribe", "t", "--timeout", "1")])
def test_for_a_user_to_publish_and_subscribe_the_operator_need_only_read_the_stack(
    deployment: Deployment, arguments: tuple[str, ...]
) -> None:
    first, *_ = policies(f"pubsub {arguments[0]}")[0]
    as_user = ("--user", deployment.make_user(), "--password-stdin")
    with operator(deployment.cloud, deployment.outputs, [first]) as keys:
        done = deployment.pubsub(*arguments, *as_user, stdin=f"{PASSWORD}\n", **keys)
    assert "acknowledged" in done.stdout or "subscribed to t" in done.stderr, done.stderr


def _sweep(deployment: Deployment, keys: dict[str, str]) -> bool:
    return _pubsub(deployment, keys, "sweep").returncode == 0


def test_a_sweep_needs_exactly_what_is_documented(deployment: Deployment) -> None:
    """One after the other: who finds another one's sweep under way starts none."""
    (statements,) = policies("pubsub sweep")
    with operator(deployment.cloud, deployment.outputs, statements) as keys:
        assert _sweep(deployment, keys)
    for action, rest in without_each(statements):
        with operator(deployment.cloud, deployment.outputs, rest) as keys:
            assert not _sweep(deployment, keys), action


def _redrive(deployment: Deployment, keys: dict[str, str]) -> bool:
    """Move a dead letter that owes nothing, for there is no such user."""
    queue = deployment.outputs[Output.DEAD_LETTER_QUEUE_URL]
    owed = {"userPoolId": deployment.user_pool_id, "userName": "nobody", "identityId": None, "mac": None}
    queues = deployment.cloud.client("sqs")
    queues.purge_queue(QueueUrl=queue)
    queues.send_message(QueueUrl=queue, MessageBody=json.dumps(owed | {"version": 1}))
    commands = [("redrive", "--dry-run"), ("redrive", "--yes", "--wait", "--timeout", "30")]
    return all(_pubsub(deployment, keys, *each).returncode == 0 for each in commands)


def test_redrive_needs_exactly_what_is_documented(deployment: Deployment) -> None:
    """One after the other: all of them would move the same dead letters."""
    (statements,) = policies("pubsub redrive")
    with operator(deployment.cloud, deployment.outputs, statements) as keys:
        assert _redrive(deployment, keys)
    for action, rest in without_each(statements):
        with operator(deployment.cloud, deployment.outputs, rest) as keys:
            assert not _redrive(deployment, keys), action
    deployment.cloud.client("sqs").purge_queue(QueueUrl=deployment.outputs[Output.DEAD_LETTER_QUEUE_URL])


def test_the_cause_of_a_missing_attachment_is_in_a_log_that_the_operator_may_read(deployment: Deployment) -> None:
    needed = policies("pubsub doctor")[0] + policies("pubsub smoke")[0]
    without_log = [each for each in needed if each["Sid"] != "ReadTheTriggersLog"]
    refused = deployment.cloud.fault("iot:AttachPolicy", Fail("AccessDeniedException"))
    with deployment.worker_stopped(), refused:
        for statements, cause in (
            (needed, "AttachPolicy: AccessDeniedException"),
            (without_log, "Why cannot be told: FilterLogEvents answered AccessDenied"),
        ):
            with operator(deployment.cloud, deployment.outputs, statements) as keys:
                shown = _pubsub(deployment, keys, "smoke", "--timeout", "1").stdout
            assert cause in shown, shown


def test_the_documented_operator_is_told_the_cause_though_not_what_was_before(deployment: Deployment) -> None:
    user, _ = _signed_in(deployment)
    iot = deployment.cloud.client("iot")
    nothing = {"Effect": "Allow", "Action": "iot:GetRetainedMessage", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [nothing]})
    name, before = deployment.policy_name, iot.get_policy(policyName=deployment.policy_name)["defaultVersionId"]
    other = iot.create_policy_version(policyName=name, policyDocument=document, setAsDefault=True)["policyVersionId"]
    try:
        with operator(deployment.cloud, deployment.outputs, policies("pubsub doctor")[0]) as keys:
            shown = _pubsub(deployment, keys, "doctor", "--user", user, "--only", "PS307").stdout
    finally:
        iot.set_default_policy_version(policyName=name, policyVersionId=before)
        iot.delete_policy_version(policyName=name, policyVersionId=other)
    assert "no statement of it allows iot:Connect" in " ".join(shown.split())
    assert f"aws iot create-policy-version --policy-name {name}" in shown


def test_make_deploy_and_make_destroy(tmp_path: Path) -> None:
    """Without any of the statements nothing is deployed, and nothing destroyed; with all of them it is."""
    deploying, doctor, smoke, destroying = (
        policies(command)[0] for command in ("make deploy", "pubsub doctor", "pubsub smoke", "make destroy")
    )
    smoke = doctor + smoke
    with LocalCloud.start(log_file=tmp_path / "cloud.log") as cloud:
        CdkApp(cloud, tmp_path).bootstrap()
        app = synthesized(cloud, tmp_path)

        def run(statements: Statements, command: str) -> subprocess.CompletedProcess[str]:
            options = [command, "--yes", "--profile", "operator"]
            return _by_profile(cloud, statements, [sys.executable, "-m", "deployment", *options], tmp_path, **app)

        for action, rest in without_each(deploying):
            assert run(rest + smoke, "deploy").returncode != 0, action
        alone = cdk_command("deploy", "--require-approval", "never")
        done = _by_profile(cloud, deploying[1:], alone, tmp_path, AWS_PROFILE="operator", **app)
        assert done.returncode == 0, done.stdout + done.stderr
        deployed = run(deploying + smoke, "deploy")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        for action, rest in without_each(destroying):
            assert run(rest, "destroy").returncode != 0, action
        destroyed = run(destroying, "destroy")
        assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr


def _by_profile(
    cloud: LocalCloud, statements: Statements, command: list[str], directory: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command where a profile with an operator's keys leads to the cloud, and nothing else does."""
    config = directory / "config"
    with operator(cloud, {}, statements) as keys:
        lines = [f"{name.lower()} = {value}" for name, value in keys.items()]
        profile = ["[profile operator]", f"region = {cloud.region}", f"endpoint_url = {cloud.endpoint_url}", *lines]
        config.write_text("\n".join(profile))
        return subprocess.run(
            command,
            cwd=_REPOSITORY,
            env=without_aws(os.environ) | {"AWS_CONFIG_FILE": str(config)} | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
