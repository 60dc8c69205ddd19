"""Amplify's own parser reads what `pubsub outputs` hands to a front end."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from local_cloud.environment import NODE
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tools.demo import EXAMPLE

# Runs in the example's folder, where Node finds the example's aws-amplify.
_PARSE = """
import { text } from 'node:stream/consumers';
import { parseAmplifyConfig } from 'aws-amplify/utils';
console.log(JSON.stringify(parseAmplifyConfig(%s)));
"""
_JSON = "JSON.parse(await text(process.stdin))"
_MODULE = "(await import('data:text/javascript,' + encodeURIComponent(await text(process.stdin)))).default"


@pytest.mark.parametrize(("form", "read"), [("amplify-outputs", _JSON), ("aws-exports", _MODULE)])
def test_amplify_finds_the_pools(deployment: Deployment, form: str, read: str) -> None:
    cognito = _parsed(_printed(deployment, form), read)["Auth"]["Cognito"]
    assert cognito["userPoolId"] == deployment.outputs[Output.USER_POOL_ID]
    assert cognito["userPoolClientId"] == deployment.outputs[Output.USER_POOL_CLIENT_ID]
    assert cognito["identityPoolId"] == deployment.outputs[Output.IDENTITY_POOL_ID]
    assert cognito.get("allowGuestAccess", False) is False
    assert cognito["passwordFormat"]["minLength"] == _password_length(deployment)


def test_the_endpoints_are_in_the_part_that_amplify_leaves_to_the_app(deployment: Deployment) -> None:
    custom = json.loads(_printed(deployment, "amplify-outputs"))["custom"]
    assert custom["pubsub"] == {
        "aws_region": deployment.cloud.region,
        "endpoint": f"ws://{deployment.outputs[Output.PUBSUB_ENDPOINT]}/mqtt",
        "self_attach_url": deployment.outputs[Output.SELF_ATTACH_URL],
        "access_mode": "guarded",
    }
    here = f"{deployment.cloud.endpoint_url}/"
    assert custom["cognito"] == {"user_pool_endpoint": here, "identity_pool_endpoint": here}


def _printed(deployment: Deployment, form: str) -> str:
    done = deployment.pubsub("outputs", "--format", form)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _parsed(document: str, read: str) -> dict[str, Any]:
    assert (EXAMPLE / "node_modules").exists(), (
        f"the web example's packages are missing: make test, or npm ci in {EXAMPLE}"
    )
    done = subprocess.run(
        [str(NODE), "--input-type=module", "--eval", _PARSE % read],
        cwd=EXAMPLE, input=document, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def _password_length(deployment: Deployment) -> int:
    pool = deployment.cloud.client("cognito-idp").describe_user_pool(UserPoolId=deployment.user_pool_id)["UserPool"]
    return int(pool["Policies"]["PasswordPolicy"]["MinimumLength"])
