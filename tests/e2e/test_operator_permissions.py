"""docs/reference/iam-permissions.md: each command succeeds with exactly these permissions, and uses all of them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

import pytest

from local_cloud.faults import Fail
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, Deployment
from tests.e2e.operator import operator, policies, unused_actions

Commands = list[tuple[str, ...]]


def _signed_in(deployment: Deployment) -> tuple[str, str]:
    """Return a signed-in user and the identity id."""
    user = deployment.make_user()
    return user, deployment.identity_id(deployment.sign_in(user))


def _subscribe(deployment: Deployment) -> Commands:
    """A retained message arrives at once."""
    topic = f"permissions/{uuid.uuid4()}"
    deployment.cloud.client("iot-data").publish(topic=topic, payload=b"1", retain=True)
    return [("subscribe", topic, "--count", "1", "--timeout", "5")]


def _identity(deployment: Deployment) -> Commands:
    user, identity_id = _signed_in(deployment)
    return [("identity", "--user", user), ("identity", "--identity-id", identity_id)]


def _attach(deployment: Deployment) -> Commands:
    _, identity_id = _signed_in(deployment)
    deployment.cloud.client("iot").detach_policy(policyName="myIoTPolicy", target=identity_id)
    return [("attach", "--user", deployment.make_user()), ("attach", "--identity-id", identity_id)]


def _detach(deployment: Deployment) -> Commands:
    detach = ("detach", "--yes")
    return [(*detach, "--user", _signed_in(deployment)[0]), (*detach, "--identity-id", _signed_in(deployment)[1])]


def _redrive(deployment: Deployment) -> Commands:
    """A dead letter of a user who does not exist."""
    body = {
        "userPoolId": deployment.user_pool_id,
        "userName": "missing",
        "sub": None,
        "identityId": None,
        "mac": None,
        "version": 1,
    }
    deployment.cloud.client("sqs").send_message(
        QueueUrl=deployment.outputs[Output.DEAD_LETTER_QUEUE_URL], MessageBody=json.dumps(body)
    )
    return [("redrive", "--dry-run"), ("redrive", "--yes", "--wait", "--timeout", "30")]


@pytest.mark.parametrize(
    ("section", "commands"),
    [
        ("pubsub doctor", lambda deployment: [("doctor", "--user", _signed_in(deployment)[0])]),
        ("pubsub smoke", lambda _: [("smoke", "--timeout", "3")]),
        ("pubsub outputs", lambda _: [("outputs", "--format", "amplify-outputs")]),
        (
            "pubsub publish",
            lambda _: [("publish", "--topic", f"permissions/{uuid.uuid4()}", "--retain", "1", "--timeout", "5")],
        ),
        ("pubsub subscribe", _subscribe),
        ("pubsub identity", _identity),
        ("pubsub attach", _attach),
        ("pubsub detach", _detach),
        ("pubsub sweep", lambda _: [("sweep",)]),
        ("pubsub redrive", _redrive),
    ],
)
def test_documented_permissions_are_sufficient_and_all_used(
    deployment: Deployment, section: str, commands: Callable[[Deployment], Commands]
) -> None:
    own = policies(section)[0]
    doctors = policies("pubsub doctor")[0] if section == "pubsub smoke" else []
    with operator(deployment.cloud, deployment.outputs, doctors + own) as keys:
        for command in commands(deployment):
            done = deployment.pubsub(*command, **keys)
            assert done.returncode == 0, done.stdout + done.stderr
        assert unused_actions(deployment.cloud, keys, own) == set()
    if section == "pubsub outputs":
        assert done.stderr == ""
    deployment.drain_queues()


@pytest.mark.parametrize("arguments", [("publish", "--topic", "t", "1"), ("subscribe", "t", "--timeout", "1")])
def test_publish_and_subscribe_as_user_need_only_read_the_stack(
    deployment: Deployment, arguments: tuple[str, ...]
) -> None:
    first, *_ = policies(f"pubsub {arguments[0]}")[0]
    as_user = ("--user", deployment.make_user(), "--password-stdin")
    with operator(deployment.cloud, deployment.outputs, [first]) as keys:
        done = deployment.pubsub(*arguments, *as_user, stdin=f"{PASSWORD}\n", **keys)
    assert "acknowledged" in done.stdout or "subscribed to t" in done.stderr, done.stderr


def test_smoke_needs_the_triggers_log_to_report_its_error(deployment: Deployment) -> None:
    needed = policies("pubsub doctor")[0] + policies("pubsub smoke")[0]
    without_log = [each for each in needed if each["Sid"] != "ReadTheTriggersLog"]
    refused = deployment.cloud.fault("iot:AttachPolicy", Fail("AccessDeniedException"))
    with deployment.worker_stopped(), refused:
        for statements, cause in (
            (needed, "AttachPolicy: AccessDeniedException"),
            (without_log, "The reason is unknown: FilterLogEvents answered AccessDenied"),
        ):
            with operator(deployment.cloud, deployment.outputs, statements) as keys:
                shown = deployment.pubsub("smoke", "--timeout", "1", **keys).stdout
            assert cause in " ".join(shown.split()), shown


def test_doctor_reports_a_wrong_policy_with_documented_permissions(deployment: Deployment) -> None:
    user, _ = _signed_in(deployment)
    iot = deployment.cloud.client("iot")
    nothing = {"Effect": "Allow", "Action": "iot:GetRetainedMessage", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [nothing]})
    name, before = deployment.policy_name, iot.get_policy(policyName=deployment.policy_name)["defaultVersionId"]
    other = iot.create_policy_version(policyName=name, policyDocument=document, setAsDefault=True)["policyVersionId"]
    try:
        with operator(deployment.cloud, deployment.outputs, policies("pubsub doctor")[0]) as keys:
            shown = deployment.pubsub("doctor", "--user", user, "--only", "PS307", **keys).stdout
    finally:
        iot.set_default_policy_version(policyName=name, policyVersionId=before)
        iot.delete_policy_version(policyName=name, policyVersionId=other)
    assert "no statement allows iot:Connect" in " ".join(shown.split())
    assert f"aws iot create-policy-version --policy-name {name}" in shown
