"""A stack with too many attachments cannot be deleted before `pubsub detach --all`."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_cloud.environment import without_aws
from local_cloud.provisioning import ProvisioningError
from pubsub_client.outputs import Output
from tests.e2e.commands import run_pubsub
from tests.e2e.conftest import FAST, Deployment, deployed
from tests.e2e.operator import operator, policies, unused_actions
from tools.__main__ import main as deployment_main

_MAX_IDENTITIES = 20
_POLICY = "myIoTPolicy"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Deployment]:
    """A stack with more attachments than its deletion may detach."""
    with deployed(tmp_path, FAST) as made:
        template = json.loads(made.app.template_file.read_text())
        for each in template["Resources"].values():
            if each["Type"] == "Custom::DeletionGuard":
                each["Properties"]["MaxIdentities"] = str(_MAX_IDENTITIES)
        made.app.template_file.write_text(json.dumps(template))
        made.app.deploy()
        seeded = made.cloud.seed_identities(made.outputs[Output.IDENTITY_POOL_ID], _MAX_IDENTITIES + 1)
        made.cloud.seed_attachments(_POLICY, seeded)
        yield made


def _resources(deployment: Deployment) -> dict[str, str]:
    """Return the stack's resources by logical id."""
    pages = deployment.cloud.client("cloudformation").get_paginator("list_stack_resources")
    return {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for page in pages.paginate(StackName=deployment.app.stack_name)
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] != "AWS::CDK::Metadata"  # it exists only in the template
    }


def test_stack_with_too_many_attachments_is_destroyed_after_bulk_detachment(own: Deployment, tmp_path: Path) -> None:
    _make_destroy_counts_identities_before_it_deletes_the_stack(own, tmp_path)
    _deletion_fails_without_changes_and_names_the_command(own)
    _all_identities_are_detached_and_stay_detached(own)
    own.app.destroy()
    assert own.cloud.client("iot").list_policies()["policies"] == []


def _make_destroy_counts_identities_before_it_deletes_the_stack(own: Deployment, directory: Path) -> None:
    config = directory / "config"
    config.write_text(
        f"[profile operator]\nregion = {own.cloud.region}\nendpoint_url = {own.cloud.endpoint_url}\n"
        "aws_access_key_id = test\naws_secret_access_key = test\n"
    )
    environment = without_aws(os.environ) | {"AWS_CONFIG_FILE": str(config)}
    done = run_pubsub(["destroy", "--yes", "--profile", "operator"], environment, program=deployment_main)
    assert done.returncode == 2
    assert f"more identities than the {_MAX_IDENTITIES} that can be detached" in done.stderr
    assert "pubsub detach --all --stack AmplifyPubSub --profile operator" in done.stderr
    (stack,) = own.cloud.client("cloudformation").describe_stacks(StackName=own.app.stack_name)["Stacks"]
    assert stack["StackStatus"] == "UPDATE_COMPLETE"


def _deletion_fails_without_changes_and_names_the_command(own: Deployment) -> None:
    resources, attached = _resources(own), len(own.targets())
    before = own.cloud.calls()
    with pytest.raises(ProvisioningError) as error:
        own.app.destroy()
    called = own.calls_since(before)
    assert _resources(own) == resources
    assert len(own.targets()) == attached
    assert not {name for name in called if name.startswith(("iot:De", "iot:Attach", "cognito", "lambda:Delete"))}
    for words in (f"attached to {attached} identities", "pubsub detach --all --stack AmplifyPubSub --region"):
        assert words in str(error.value)
    tokens = own.sign_in(own.make_user())
    assert own.attached_policies(own.identity_id(tokens)) == [_POLICY]


def _all_identities_are_detached_and_stay_detached(own: Deployment) -> None:
    users = [own.make_user() for _ in range(2)]
    credentials = own.credentials(own.sign_in(users[0]))
    stop, answers = threading.Event(), list[Any]()

    def keep_signing_in() -> None:
        while not stop.wait(1):
            own.sign_in(users[1])
            own.sign_in(own.make_user())
            answers.append(own.self_attach(credentials))

    signing_in = threading.Thread(target=keep_signing_in)
    signing_in.start()
    (statements,) = policies("pubsub detach --all")
    try:
        with operator(own.cloud, own.outputs, statements) as keys:
            done = own.pubsub("detach", "--all", "--yes", "--per-second", "1000", **keys)
            assert unused_actions(own.cloud, keys, statements) == set()
    finally:
        stop.set()
        signing_in.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "To delete the stack: cdk destroy" in done.stdout
    assert "pubsub sweep --resume" in done.stdout
    assert own.targets() == set()
    assert (answers[-1].status, "attachment is paused" in answers[-1].body["text"]) == (503, True)
    assert own.messages_in(Output.RETRY_QUEUE_URL) == own.messages_in(Output.DEAD_LETTER_QUEUE_URL) == 0
