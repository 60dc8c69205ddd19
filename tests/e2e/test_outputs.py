"""`pubsub outputs` on a deployment, in every format."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from local_cloud.environment import NODE
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tests.integration.local_cloud.account import make_iam_user
from tools.demo import EXAMPLE

# Runs in the example's folder, where Node finds the example's aws-amplify.
_PARSE = """
import { text } from 'node:stream/consumers';
import { parseAmplifyConfig } from 'aws-amplify/utils';
console.log(JSON.stringify(parseAmplifyConfig(%s)));
"""
_READ = {
    "amplify-outputs": "JSON.parse(await text(process.stdin))",
    "aws-exports": "(await import('data:text/javascript,' + encodeURIComponent(await text(process.stdin)))).default",
}


def test_outputs_prints_the_stacks_outputs_alone_or_in_the_common_document(deployment: Deployment) -> None:
    done = deployment.pubsub("outputs")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == deployment.outputs
    assert json.loads(deployment.pubsub("outputs", "--json").stdout) == {
        "schema": 1,
        "command": "outputs",
        "stack": "AmplifyPubSub",
        "region": deployment.cloud.region,
        "outputs": deployment.outputs,
    }


@pytest.mark.parametrize("form", _READ)
def test_outputs_are_parsed_by_amplify(deployment: Deployment, form: str) -> None:
    assert (EXAMPLE / "node_modules").exists(), f"run `make test`, or `npm ci` in {EXAMPLE}"
    parsed = subprocess.run(
        [str(NODE), "--input-type=module", "--eval", _PARSE % _READ[form]],
        cwd=EXAMPLE,
        input=deployment.pubsub("outputs", "--format", form).stdout,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert parsed.returncode == 0, parsed.stderr
    cognito = json.loads(parsed.stdout)["Auth"]["Cognito"]
    assert cognito["userPoolId"] == deployment.outputs[Output.USER_POOL_ID]
    assert cognito["userPoolClientId"] == deployment.outputs[Output.USER_POOL_CLIENT_ID]
    assert cognito["identityPoolId"] == deployment.outputs[Output.IDENTITY_POOL_ID]
    assert cognito.get("allowGuestAccess", False) is False
    assert cognito["passwordFormat"]["minLength"] == 12


def test_amplify_outputs_contain_the_endpoints_for_the_app(deployment: Deployment) -> None:
    document = json.loads(deployment.pubsub("outputs", "--format", "amplify-outputs").stdout)
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


def test_outputs_merges_into_a_file_through_its_link_and_only_on_success(
    deployment: Deployment, tmp_path: Path
) -> None:
    file, link = tmp_path / "outputs.json", tmp_path / "link.json"
    file.write_text('{"mine": 1, "RetryQueueUrl": "old"}')
    link.symlink_to(file)
    done = deployment.pubsub("outputs", "--stack", "Other", "--file", str(link))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("pubsub: there is no stack Other in us-east-1")
    assert file.read_text() == '{"mine": 1, "RetryQueueUrl": "old"}'
    done = deployment.pubsub("outputs", "--file", str(link))
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(file.read_text()) == {"mine": 1, **deployment.outputs}
    assert link.is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.json", "outputs.json"]


def test_outputs_without_permission_exits_with_1_and_names_the_operation(deployment: Deployment) -> None:
    done = deployment.pubsub("outputs", **make_iam_user(deployment.cloud).environment)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("pubsub: DescribeStacks answered AccessDenied")
