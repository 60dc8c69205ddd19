"""The PostAuthentication trigger under AWS's runtime client: the event comes back in time, whatever hangs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tests.e2e.lambda_runtime.conftest import HANGS, FaultyNetwork
from tests.e2e.lambda_runtime.function import Function, Invocation

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="AWS publishes its runtime client for Linux")

_COGNITO_SECONDS = 5.0
_MOST_SIGN_INS = 10
_TIME = {"BUDGET_SECONDS": "1.5", "QUEUE_SECONDS": "3"}
"""Less to wait for a call that hangs, and more for the queue: a busy machine imports the SDK slowly."""


def _event(deployment: Deployment, user: str) -> dict[str, Any]:
    """Return what Cognito sends when a user signs in."""
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
    """Sign a user in and check that the event comes back in time."""
    done = trigger.invoke(event)
    assert (done.kind, done.body) == ("response", event)
    assert done.seconds < _COGNITO_SECONDS
    # From the import of the trigger, when the clock of a cold start begins.
    assert done.line["Duration"] < _COGNITO_SECONDS * 1000
    return done


def _attach(deployment: Deployment, trigger: Function) -> str:
    """Sign a new user in until the user is attached, and return the name.

    More than one sign-in is needed where an import or the first clients take longer than the trigger has.
    """
    user = deployment.make_user()
    event = _event(deployment, user)
    lines: list[dict[str, Any]] = []
    while not lines or (str(lines[-1]["reason"]).startswith("DeadlineExceededError") and len(lines) < _MOST_SIGN_INS):
        lines.append(_sign_in(trigger, event).line)
    assert (lines[-1]["outcome"], lines[-1]["reason"]) == ("Attached", None)
    marker = _event(deployment, user)["request"]["userAttributes"]["custom:pubsub_attachment"]
    assert deployment.attached_policies(marker.split("/")[1]) == [deployment.policy_name]
    return user


def test_trigger_gives_up_before_lambda_and_cognito_do(deployment: Deployment) -> None:
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
    """At a cold start and warm, and without a queue it returns the event too; the sign-in after that attaches."""
    with (
        deployment.worker_stopped(),
        Function(deployment, "post_authentication.handler", tmp_path, network.variables() | _TIME) as trigger,
    ):
        first, second, third = (_event(deployment, deployment.make_user()) for _ in range(3))
        network.hang(hang)
        cold = _sign_in(trigger, first)
        assert cold.seconds_from_start < _COGNITO_SECONDS
        assert (cold.line["outcome"], cold.line["reason"]) == ("Queued", "DeadlineExceededError")
        assert _take_queued(deployment) == [first["userName"]]

        network.queue.silent = True
        line = _sign_in(trigger, second).line
        assert line["outcome"] == "Failed"
        assert line["reason"].startswith("DeadlineExceededError; not queued: ")

        network.recover()
        _attach(deployment, trigger)
        _take_queued(deployment)

        network.hang(hang)
        warm = _sign_in(trigger, third)
        assert (warm.line["outcome"], warm.line["reason"]) == ("Queued", "DeadlineExceededError")
        assert _take_queued(deployment) == [third["userName"]]


def _take_queued(deployment: Deployment) -> list[str]:
    """Take the messages of the retry queue, and return the users' names."""
    queue, url = deployment.cloud.client("sqs"), deployment.outputs[Output.RETRY_QUEUE_URL]
    messages = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(each["Body"])["userName"] for each in messages]


def test_trigger_returns_the_event_while_the_import_of_the_sdk_hangs(deployment: Deployment, tmp_path: Path) -> None:
    hanging, goes_on = tmp_path / "hanging", tmp_path / "goes_on"
    hanging.mkdir()
    (hanging / "boto3.py").write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        f"while not Path({str(goes_on)!r}).exists():\n"
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
        goes_on.touch()
        _attach(deployment, trigger)
