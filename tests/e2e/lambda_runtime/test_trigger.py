"""The PostAuthentication trigger under AWS's runtime client: the event comes back in time, whatever hangs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pubsub_client.outputs import Output
from tests.e2e.lambda_runtime.conftest import HANGS
from tests.e2e.lambda_runtime.function import Function

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Deployment
    from tests.e2e.lambda_runtime.conftest import Way
    from tests.e2e.lambda_runtime.function import Invocation

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="AWS publishes its runtime client for Linux")

_BUDGET_SECONDS = 2.5
_COGNITO_SECONDS = 5.0


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
    """Let a user sign in, and see that the event comes back in time."""
    done = trigger.invoke(event)
    assert (done.kind, done.body) == ("response", event)
    assert done.seconds < _BUDGET_SECONDS + 1
    # From the import of the trigger, when the clock of a cold start begins.
    assert done.line["Duration"] < (_BUDGET_SECONDS + 1) * 1000
    return done


def _attaches(deployment: Deployment, trigger: Function) -> str:
    """See that a new user is attached, and return the name."""
    user = deployment.make_user()
    line = _sign_in(trigger, _event(deployment, user)).line
    assert (line["outcome"], line["reason"]) == ("Attached", None)
    marker = _event(deployment, user)["request"]["userAttributes"]["custom:pubsub_attachment"]
    assert deployment.attached_policies(marker.split("/")[1]) == [deployment.policy_name]
    return user


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_a_line_is_one_record_and_its_metrics_are_read(deployment: Deployment, tmp_path: Path, log_format: str) -> None:
    with Function(
        deployment, "post_authentication.handler", tmp_path, {"AWS_LAMBDA_LOG_FORMAT": log_format}
    ) as trigger:
        user = _attaches(deployment, trigger)
        line = _sign_in(trigger, _event(deployment, user)).line
        assert (line["outcome"], line["reason"]) == ("Skipped", "the marker is current")
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert all(isinstance(line[each["Name"]], int | float) for each in directive["Metrics"])
        assert all(isinstance(line[name], str) for names in directive["Dimensions"] for name in names)
        assert line["requestId"]


@pytest.mark.parametrize("start", ["cold", "warm"])
@pytest.mark.parametrize("hang", HANGS)
def test_the_event_comes_back_in_time_the_attachment_is_queued_and_the_next_sign_in_attaches(
    deployment: Deployment, way: Way, tmp_path: Path, hang: str, start: str
) -> None:
    with (
        deployment.worker_stopped(),
        Function(deployment, "post_authentication.handler", tmp_path, way.variables()) as trigger,
    ):
        if start == "warm":
            _attaches(deployment, trigger)
        first, second = (_event(deployment, deployment.make_user()) for _ in range(2))
        way.hang(hang)
        done = _sign_in(trigger, first)
        if start == "cold":
            assert done.seconds_from_start < _COGNITO_SECONDS
        assert (done.line["outcome"], done.line["reason"]) == ("Queued", "DeadlineExceededError")
        assert _queued(deployment) == [first["userName"]]

        way.queue.silent = True
        line = _sign_in(trigger, second).line
        assert line["outcome"] == "Failed"
        assert line["reason"].startswith("DeadlineExceededError; not queued: ")

        way.recover()
        _attaches(deployment, trigger)


def _queued(deployment: Deployment) -> list[str]:
    """Take what waits in the retry queue, and return the users' names."""
    queue, url = deployment.cloud.client("sqs"), deployment.outputs[Output.RETRY_QUEUE_URL]
    messages = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(each["Body"])["userName"] for each in messages]


def test_an_import_of_the_sdk_that_hangs_costs_no_sign_in(deployment: Deployment, tmp_path: Path) -> None:
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
    variables = {"PYTHONPATH": str(hanging)}
    with Function(deployment, "post_authentication.handler", tmp_path, variables) as trigger:
        done = _sign_in(trigger, _event(deployment, deployment.make_user()))
        assert done.seconds_from_start < _COGNITO_SECONDS
        assert done.line["reason"] == "DeadlineExceededError; not queued: DeadlineExceededError"
        goes_on.touch()
        _attaches(deployment, trigger)
