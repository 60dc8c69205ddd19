"""More attached than an hour can detach: the destroy is stopped before it changes anything, and how it succeeds."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from local_cloud.cdk_app import CdkError
from local_cloud.environment import without_aws
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment, deployed
from tests.e2e.operator import operator, policies, without_each

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.operator import Statements

# One a second in the fifty minutes that are counted on, and some more.
_PER_SECOND, _TOO_MANY = 1, 3_100
_POLICY = "myIoTPolicy"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    settings = {"detachPerSecond": _PER_SECOND}
    with deployed(tmp_path_factory.mktemp("detach-all"), settings) as made:
        seeded = made.cloud.seed_identities(made.outputs[Output.IDENTITY_POOL_ID], _TOO_MANY)
        made.cloud.seed_attachments(_POLICY, seeded)
        yield made


def _resources(deployment: Deployment) -> dict[str, str]:
    """Return what the stack consists of, by logical id."""
    pages = deployment.cloud.client("cloudformation").get_paginator("list_stack_resources")
    return {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for page in pages.paginate(StackName=deployment.app.stack_name)
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] != "AWS::CDK::Metadata"  # nothing of it is anywhere but in the template
    }


def _targets(deployment: Deployment) -> int:
    pages = deployment.cloud.client("iot").get_paginator("list_targets_for_policy")
    return sum(len(page["targets"]) for page in pages.paginate(policyName=_POLICY, pageSize=250))


def _detach_all(deployment: Deployment, statements: Statements) -> subprocess.CompletedProcess[str]:
    with operator(deployment.cloud, deployment.outputs, statements) as keys:
        return deployment.pubsub("detach", "--all", "--yes", "--per-second", "1000", **keys)


def test_make_destroy_counts_before_it_asks_cloudformation_for_anything(own: Deployment, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"[profile operator]\nregion = {own.cloud.region}\nendpoint_url = {own.cloud.endpoint_url}\n"
        "aws_access_key_id = test\naws_secret_access_key = test\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "deployment", "destroy", "--yes", "--profile", "operator"],
        env=without_aws(os.environ) | {"AWS_CONFIG_FILE": str(config)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "more identities than the 3000 that can be detached" in done.stderr
    assert "pubsub detach --all --stack AmplifyPubSub --profile operator" in done.stderr
    (stack,) = own.cloud.client("cloudformation").describe_stacks(StackName=own.app.stack_name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"


def test_with_more_than_fit_a_destroy_changes_nothing_and_says_what_to_run(own: Deployment) -> None:
    resources, attached = _resources(own), _targets(own)
    before = own.cloud.calls()
    with pytest.raises(CdkError):
        own.app.destroy()
    called = own.calls_of(before)
    assert _resources(own) == resources
    assert _targets(own) == attached
    assert not {name for name in called if name.startswith(("iot:De", "iot:Attach", "cognito", "lambda:Delete"))}
    events = own.cloud.client("cloudformation").describe_stack_events(StackName=own.app.stack_name)["StackEvents"]
    failed = {
        each["LogicalResourceId"]: each.get("ResourceStatusReason", "")
        for each in events
        if each["ResourceStatus"] == "DELETE_FAILED" and each["ResourceType"] != "AWS::CloudFormation::Stack"
    }
    (reason,) = failed.values()
    for words in (f"attached to {attached} identities", "pubsub detach --all --stack AmplifyPubSub --region"):
        assert words in reason
    tokens = own.sign_in(own.make_user())
    assert own.attached_policies(own.identity_id(tokens)) == [_POLICY]


def test_detached_everybody_stays_detached_and_the_stack_can_go(own: Deployment) -> None:
    users = [own.make_user() for _ in range(2)]
    credentials = own.credentials(own.sign_in(users[0]))
    over, answers = threading.Event(), list[Any]()

    def go_on_signing_in() -> None:
        while not over.wait(0.3):
            own.sign_in(users[1])
            own.sign_in(own.make_user())
            answers.append(own.self_attach(credentials))

    signing_in = threading.Thread(target=go_on_signing_in)
    signing_in.start()
    (statements,) = policies("pubsub detach --all")
    try:
        # The last ones start it and cannot follow it; the whole permissions then show the one that runs.
        for action, rest in without_each(statements):
            assert _detach_all(own, rest).returncode != 0, action
        done = _detach_all(own, statements)
    finally:
        over.set()
        signing_in.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "To delete the stack: cdk destroy" in done.stdout
    assert "pubsub sweep --resume" in done.stdout
    assert _targets(own) == 0
    assert (answers[-1].status, "attaching is turned off" in answers[-1].body["text"]) == (503, True)
    assert own.messages_in(Output.RETRY_QUEUE_URL) == own.messages_in(Output.DEAD_LETTER_QUEUE_URL) == 0
    own.app.destroy()
    assert own.cloud.client("iot").list_policies()["policies"] == []
