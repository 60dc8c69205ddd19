"""The other functions under AWS's runtime client: cold, warm, with either log format, and with AWS hanging."""

from __future__ import annotations

import base64
import json
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from pubsub_client.outputs import Output
from tests.e2e.lambda_runtime.conftest import HANGS
from tests.e2e.lambda_runtime.function import Function

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Deployment
    from tests.e2e.lambda_runtime.conftest import Way

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="AWS publishes its runtime client for Linux"),
    pytest.mark.parametrize("log_format", ["Text", "JSON"]),
]

_HANGS_THAT_END = [each for each in HANGS if "resolver" not in each]
"""Those that the SDK ends by its time-outs, which a name resolution has none of."""


def _challenge_event(deployment: Deployment, trigger: str, **request: Any) -> dict[str, Any]:
    return {
        "version": "1",
        "triggerSource": f"{trigger}_Authentication",
        "region": deployment.cloud.region,
        "userPoolId": deployment.user_pool_id,
        "userName": "ada",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": _internal_client(deployment)},
        "request": {"userAttributes": {}, "session": [], "userNotFound": False, **request},
        "response": {},
    }


def _internal_client(deployment: Deployment) -> str:
    name = f"/{deployment.app.stack_name}/sign-in-attachment"
    value = deployment.cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    return str(json.loads(value)["internalClientId"])


def test_the_challenge_function_answers_each_trigger_and_fails_closed(
    deployment: Deployment, way: Way, tmp_path: Path, log_format: str
) -> None:
    variables = way.variables() | {"AWS_LAMBDA_LOG_FORMAT": log_format}
    define = _challenge_event(deployment, "DefineAuthChallenge")
    create = _challenge_event(deployment, "CreateAuthChallenge", challengeName="CUSTOM_CHALLENGE")
    answered = {
        "privateChallengeParameters": {"nonce": "nonce"},
        "challengeAnswer": base64.b64encode(bytes(32)).decode(),
    }
    verify = _challenge_event(deployment, "VerifyAuthChallengeResponse", **answered)
    with Function(deployment, "auth_challenge.handler", tmp_path, variables) as challenge:
        way.hang("every call hanging")
        failed = challenge.invoke(define)
        assert (failed.kind, failed.body["errorType"]) == ("error", "ReadTimeoutError")
        way.recover()
        asked = challenge.invoke(define)
        assert asked.body["response"] == {
            "issueTokens": False,
            "failAuthentication": False,
            "challengeName": "CUSTOM_CHALLENGE",
        }
        assert asked.output == []
        first, second = (challenge.invoke(create).body["response"] for _ in range(2))
        assert first["publicChallengeParameters"]["nonce"] != second["publicChallengeParameters"]["nonce"]
        assert challenge.invoke(verify).body["response"] == {"answerCorrect": False}


@pytest.mark.parametrize("hang", _HANGS_THAT_END)
def test_self_attach_answers_and_attaches_once_aws_answers_again(
    deployment: Deployment, way: Way, tmp_path: Path, log_format: str, hang: str
) -> None:
    identity_id = deployment.identity_id(deployment.sign_in(deployment.make_user()))
    deployment.cloud.client("iot").detach_policy(policyName=deployment.policy_name, target=identity_id)
    caller = {
        "identityId": identity_id,
        "identityPoolId": deployment.outputs[Output.IDENTITY_POOL_ID],
        "amr": ["authenticated"],
    }
    event = {"version": "2.0", "requestContext": {"authorizer": {"iam": {"cognitoIdentity": caller}}}}
    variables = way.variables() | {"AWS_LAMBDA_LOG_FORMAT": log_format}
    with Function(deployment, "self_attach.handler", tmp_path, variables) as self_attach:
        way.hang(hang)
        late = self_attach.invoke(event)
        assert (late.kind, late.body["statusCode"]) == ("response", 503)
        assert late.line["outcome"] == "Failed"
        way.recover()
        answers = [self_attach.invoke(event) for _ in range(2)]
        assert [each.body["statusCode"] for each in answers] == [200, 200]
        assert [each.line["outcome"] for each in answers] == ["Attached", "Skipped"]
    assert deployment.attached_policies(identity_id) == [deployment.policy_name]


def test_the_policy_lifecycle_needs_no_call_to_give_a_policy_its_epoch(
    deployment: Deployment, way: Way, tmp_path: Path, log_format: str
) -> None:
    event = {
        "RequestType": "Create",
        "ResourceType": "Custom::IotPolicyLifecycle",
        "ResourceProperties": {"PolicyName": deployment.policy_name},
    }
    variables = way.variables() | {"AWS_LAMBDA_LOG_FORMAT": log_format}
    way.hang("a silent socket")
    with Function(deployment, "iot_policy_lifecycle.on_event", tmp_path, variables) as on_event:
        first, second = (on_event.invoke(event) for _ in range(2))
        assert first.body["PhysicalResourceId"] == f"{deployment.policy_name}/{first.body['Data']['Epoch']}"
        assert first.body["Data"] != second.body["Data"]
        assert first.output == second.output == []
    with Function(deployment, "iot_policy_lifecycle.is_complete", tmp_path, variables) as is_complete:
        assert is_complete.invoke(event | first.body).body == {"IsComplete": True}


def test_the_policy_lifecycle_makes_room_for_a_version(deployment: Deployment, tmp_path: Path, log_format: str) -> None:
    iot, name = deployment.cloud.client("iot"), f"policy-{uuid.uuid4().hex[:8]}"
    document = iot.get_policy(policyName=deployment.policy_name)["policyDocument"]
    iot.create_policy(policyName=name, policyDocument=document)
    iot.create_policy_version(policyName=name, policyDocument=document, setAsDefault=True)
    event = {
        "RequestType": "Update",
        "ResourceType": "Custom::IotPolicyVersions",
        "ResourceProperties": {"PolicyName": name},
    }
    # Its role may do this to the deployed policy alone.
    keys = {
        key: value for key, value in deployment.cloud.variables().items() if key.startswith(("AWS_ACCESS", "AWS_SEC"))
    }
    variables = keys | {"AWS_SESSION_TOKEN": "", "AWS_LAMBDA_LOG_FORMAT": log_format}
    with Function(deployment, "iot_policy_lifecycle.on_event", tmp_path, variables) as on_event:
        assert on_event.invoke(event).body == {"PhysicalResourceId": f"{name}/versions"}
    assert [each["isDefaultVersion"] for each in iot.list_policy_versions(policyName=name)["policyVersions"]] == [True]
    iot.delete_policy(policyName=name)


@pytest.mark.parametrize("hang", HANGS)
def test_the_worker_leaves_a_message_that_hangs_in_the_queue_and_attaches_the_next(
    deployment: Deployment, way: Way, tmp_path: Path, log_format: str, hang: str
) -> None:
    first, second = (_record(deployment, deployment.make_user()) for _ in range(2))
    variables = way.variables() | {"AWS_LAMBDA_LOG_FORMAT": log_format}
    with Function(deployment, "attachment_retry.handler", tmp_path, variables) as worker:
        way.hang(hang)
        way.queue.silent = True
        late = worker.invoke({"Records": [first]})
        assert late.body == {"batchItemFailures": [{"itemIdentifier": first["messageId"]}]}
        assert late.line["outcome"] == "Queued"
        assert late.seconds < 13
        way.recover()
        done = worker.invoke({"Records": [second]})
        assert done.body == {"batchItemFailures": []}
        assert (done.line["outcome"], done.line["reason"]) == ("Attached", None)


def _record(deployment: Deployment, user: str) -> dict[str, Any]:
    """Return what SQS gives the worker of a user whose identity the trigger has not found."""
    found = deployment.cloud.client("cognito-idp").admin_get_user(UserPoolId=deployment.user_pool_id, Username=user)
    (sub,) = (each["Value"] for each in found["UserAttributes"] if each["Name"] == "sub")
    body = {
        "version": 2,
        "userPoolId": deployment.user_pool_id,
        "userName": user,
        "sub": sub,
        "identityId": None,
        "mac": None,
    }
    return {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": "receipt",
        "body": json.dumps(body),
        "attributes": {"ApproximateReceiveCount": "1"},
    }
