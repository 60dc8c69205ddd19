"""The other functions under AWS's runtime client: cold, warm, and while AWS hangs."""

from __future__ import annotations

import base64
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tests.e2e.lambda_runtime.conftest import FaultyNetwork
from tests.e2e.lambda_runtime.function import Function

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="AWS publishes its runtime client for Linux")


_TIME = {"MESSAGE_SECONDS": "2"}
# The deadlines for the message and the queue, and time for a busy machine.
_WORKER_SECONDS = 14


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


def test_challenge_function_answers_each_trigger_and_fails_closed(
    deployment: Deployment, network: FaultyNetwork, tmp_path: Path
) -> None:
    define = _challenge_event(deployment, "DefineAuthChallenge")
    create = _challenge_event(deployment, "CreateAuthChallenge", challengeName="CUSTOM_CHALLENGE")
    answered = {
        "privateChallengeParameters": {"nonce": "nonce"},
        "challengeAnswer": base64.b64encode(bytes(32)).decode(),
    }
    verify = _challenge_event(deployment, "VerifyAuthChallengeResponse", **answered)
    with Function(deployment, "auth_challenge.handler", tmp_path, network.variables()) as challenge:
        network.hang("every call hanging")
        failed = challenge.invoke(define)
        assert (failed.kind, failed.body["errorType"]) == ("error", "ReadTimeoutError")
        network.recover()
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


def test_self_attach_answers_while_aws_is_silent_and_attaches_after_it(
    deployment: Deployment, network: FaultyNetwork, tmp_path: Path
) -> None:
    identity_id = deployment.identity_id(deployment.sign_in(deployment.make_user()))
    deployment.cloud.client("iot").detach_policy(policyName=deployment.policy_name, target=identity_id)
    caller = {
        "identityId": identity_id,
        "identityPoolId": deployment.outputs[Output.IDENTITY_POOL_ID],
        "amr": ["authenticated"],
    }
    event = {"version": "2.0", "requestContext": {"authorizer": {"iam": {"cognitoIdentity": caller}}}}
    with Function(deployment, "self_attach.handler", tmp_path, network.variables()) as self_attach:
        network.hang("a silent socket")
        late = self_attach.invoke(event)
        assert (late.kind, late.body["statusCode"]) == ("response", 503)
        assert late.line["outcome"] == "Failed"
        network.recover()
        answers = [self_attach.invoke(event) for _ in range(2)]
        assert [each.body["statusCode"] for each in answers] == [200, 200]
        assert [each.line["outcome"] for each in answers] == ["Attached", "Skipped"]
    assert deployment.attached_policies(identity_id) == [deployment.policy_name]


def test_worker_leaves_a_message_that_hangs_in_the_queue_and_attaches_the_next(
    deployment: Deployment, network: FaultyNetwork, tmp_path: Path
) -> None:
    first, second = (_record(deployment, deployment.make_user()) for _ in range(2))
    with Function(deployment, "attachment_retry.handler", tmp_path, network.variables() | _TIME) as worker:
        network.hang("a resolver that never answers")  # only the worker's own deadline ends it
        network.queue.silent = True
        late = worker.invoke({"Records": [first]})
        assert late.body == {"batchItemFailures": [{"itemIdentifier": first["messageId"]}]}
        assert late.line["outcome"] == "Queued"
        assert late.seconds < _WORKER_SECONDS
        network.recover()
        done = worker.invoke({"Records": [second]})
        assert done.body == {"batchItemFailures": []}
        assert (done.line["outcome"], done.line["reason"]) == ("Attached", None)


def _record(deployment: Deployment, user: str) -> dict[str, Any]:
    """Return what SQS gives the worker of a user whose identity the trigger has not found."""
    found = deployment.cloud.client("cognito-idp").admin_get_user(UserPoolId=deployment.user_pool_id, Username=user)
    (sub,) = (each["Value"] for each in found["UserAttributes"] if each["Name"] == "sub")
    body = {
        "version": 1,
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
