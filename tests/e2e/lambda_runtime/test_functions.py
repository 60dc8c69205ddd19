"""The functions under AWS's runtime client: cold, warm, and while AWS hangs."""

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
from tests.e2e.lambda_runtime.conftest import HANGS, FaultyNetwork
from tests.e2e.lambda_runtime.function import Function, Invocation

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="AWS publishes its runtime client for Linux")

_COGNITO_SECONDS = 5.0
_MAX_SIGN_INS = 10
_TRIGGER_TIME = {"BUDGET_SECONDS": "1.5", "QUEUE_SECONDS": "3"}
"""Less time for calls that hang, and more for the queue, because a busy machine imports the SDK slowly."""


def _event(deployment: Deployment, user: str) -> dict[str, Any]:
    """Return Cognito's event for a sign-in."""
    found = deployment.cloud.client("cognito-idp").admin_get_user(UserPoolId=deployment.user_pool_id, Username=user)
    attributes = {each["Name"]: each["Value"] for each in found["UserAttributes"]}
    return {
        "version": "1",
        "triggerSource": "PostAuthentication_Authentication",
        "region": deployment.cloud.region,
        "userPoolId": deployment.user_pool_id,
        "userName": user,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": deployment.client_id},
        "request": {
            "userAttributes": attributes | {"cognito:user_status": found["UserStatus"]},
            "newDeviceUsed": False,
        },
        "response": {},
    }


def _sign_in(trigger: Function, event: dict[str, Any]) -> Invocation:
    """Sign a user in, and check that the trigger returns the event in time."""
    done = trigger.invoke(event)
    assert (done.kind, done.body) == ("response", event)
    assert done.seconds < _COGNITO_SECONDS
    # Measured from the import of the trigger, where the budget of a cold start begins.
    assert done.line["Duration"] < _COGNITO_SECONDS * 1000
    return done


def _attach(deployment: Deployment, trigger: Function) -> str:
    """Sign a new user in until the policy is attached, and return the user's name.

    On a busy machine the import of the SDK can take longer than the budget of one sign-in.
    """
    user = deployment.make_user()
    event = _event(deployment, user)
    lines: list[dict[str, Any]] = []
    while not lines or (str(lines[-1]["reason"]).startswith("DeadlineExceededError") and len(lines) < _MAX_SIGN_INS):
        lines.append(_sign_in(trigger, event).line)
    assert (lines[-1]["outcome"], lines[-1]["reason"]) == ("Attached", None)
    marker = _event(deployment, user)["request"]["userAttributes"]["custom:pubsub_attachment"]
    assert deployment.attached_policies(marker.split("/")[1]) == [deployment.policy_name]
    return user


def test_trigger_ends_before_the_timeouts_of_lambda_and_cognito(deployment: Deployment) -> None:
    name = deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
    deployed = deployment.cloud.client("lambda").get_function_configuration(FunctionName=name)
    variables = deployed["Environment"]["Variables"]
    longest = float(variables["BUDGET_SECONDS"]) + float(variables["QUEUE_SECONDS"])
    assert longest < deployed["Timeout"] < _COGNITO_SECONDS


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_trigger_logs_one_record_per_sign_in(deployment: Deployment, tmp_path: Path, log_format: str) -> None:
    variables = {"AWS_LAMBDA_LOG_FORMAT": log_format}
    with Function(deployment, "post_authentication.handler", tmp_path, variables) as trigger:
        user = _attach(deployment, trigger)
        line = _sign_in(trigger, _event(deployment, user)).line
        assert (line["outcome"], line["reason"]) == ("Skipped", "the marker is current")
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert all(isinstance(line[each["Name"]], int | float) for each in directive["Metrics"])
        assert all(isinstance(line[name], str) for names in directive["Dimensions"] for name in names)
        assert line["requestId"]


@pytest.mark.parametrize("hang", HANGS)
def test_trigger_queues_an_attachment_that_hangs(
    deployment: Deployment, network: FaultyNetwork, tmp_path: Path, hang: str
) -> None:
    """Cold and warm. If the queue hangs too, it still returns the event. The sign-in after that attaches."""
    with (
        deployment.worker_stopped(),
        Function(deployment, "post_authentication.handler", tmp_path, network.variables() | _TRIGGER_TIME) as trigger,
    ):
        first, second, third = (_event(deployment, deployment.make_user()) for _ in range(3))
        network.hang(hang)
        cold = _sign_in(trigger, first)
        assert cold.seconds_from_start < _COGNITO_SECONDS
        assert (cold.line["outcome"], cold.line["reason"]) == ("Queued", "DeadlineExceededError")
        assert _delete_queued(deployment) == [first["userName"]]

        network.queue.silent = True
        line = _sign_in(trigger, second).line
        assert line["outcome"] == "Failed"
        assert line["reason"].startswith("DeadlineExceededError; not queued: ")

        network.recover()
        _attach(deployment, trigger)
        _delete_queued(deployment)

        network.hang(hang)
        warm = _sign_in(trigger, third)
        assert (warm.line["outcome"], warm.line["reason"]) == ("Queued", "DeadlineExceededError")
        assert _delete_queued(deployment) == [third["userName"]]


def _delete_queued(deployment: Deployment) -> list[str]:
    """Delete the messages in the retry queue, and return their users' names."""
    queue, url = deployment.cloud.client("sqs"), deployment.outputs[Output.RETRY_QUEUE_URL]
    messages = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(each["Body"])["userName"] for each in messages]


def test_trigger_returns_the_event_while_the_import_of_the_sdk_hangs(deployment: Deployment, tmp_path: Path) -> None:
    hanging, continues = tmp_path / "hanging", tmp_path / "continues"
    hanging.mkdir()
    (hanging / "boto3.py").write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        f"while not Path({str(continues)!r}).exists():\n"
        "    time.sleep(0.05)\n"
        f"sys.path.remove({str(hanging)!r})\n"
        "del sys.modules['boto3']\n"
        "import boto3\n"
    )
    variables = {"PYTHONPATH": str(hanging), "BUDGET_SECONDS": "1.5", "QUEUE_SECONDS": "0.1"}
    with Function(deployment, "post_authentication.handler", tmp_path, variables) as trigger:
        done = _sign_in(trigger, _event(deployment, deployment.make_user()))
        assert done.seconds_from_start < _COGNITO_SECONDS
        assert done.line["reason"] == "DeadlineExceededError; not queued: DeadlineExceededError"
        continues.touch()
        _attach(deployment, trigger)


_WORKER_TIME = {"MESSAGE_SECONDS": "2"}
# The deadlines of the message and of the queue, and time for a busy machine.
_WORKER_SECONDS = 14


def _challenge_event(deployment: Deployment, trigger: str, **request: Any) -> dict[str, Any]:
    return {
        "version": "1",
        "triggerSource": f"{trigger}_Authentication",
        "region": deployment.cloud.region,
        "userPoolId": deployment.user_pool_id,
        "userName": "ada",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": deployment.internal_client_id},
        "request": {"userAttributes": {}, "session": [], "userNotFound": False, **request},
        "response": {},
    }


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
    with Function(deployment, "attachment_retry.handler", tmp_path, network.variables() | _WORKER_TIME) as worker:
        network.hang("a resolver that never answers")  # only the worker's own deadline ends the call
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
    """Return the SQS record of a user whose identity the trigger has not found."""
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
