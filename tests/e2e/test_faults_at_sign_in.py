"""If an AWS call of the chain fails, the sign-in succeeds, and the policy is attached after the fault ends.

The worker retries after temporary faults. After permanent faults, attachments wait in the dead-letter queue. Unit tests
cover which errors are temporary.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local_cloud.faults import Effect, Fail, Hang, Malformed
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment

# How long Cognito waits for a trigger.
# https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
_COGNITO_SECONDS = 5.0

_RETRYABLE: dict[str, Effect] = {  # each call of the chain, and each kind of fault
    "ssm:GetParameters": Fail("InternalFailure", 500),
    "cognito-idp:DescribeUserPoolClient": Fail("TooManyRequestsException"),
    "cognito-idp:AdminInitiateAuth": Fail("TooManyRequestsException"),
    "kms:GenerateMac": Malformed(),
    "cognito-idp:AdminRespondToAuthChallenge": Fail("InternalFailure", 500),
    "kms:VerifyMac": Fail("ThrottlingException"),
    "cognito-identity:GetId": Hang(),
    "iot:AttachPolicy": Fail("ThrottlingException"),
}
_PERMANENT: dict[str, Effect] = {
    "cognito-idp:AdminInitiateAuth": Fail(
        "UserLambdaValidationException", message="PreAuthentication failed with error an unknown app client."
    ),
    "kms:VerifyMac": Fail("AccessDeniedException", 403),
    "cognito-identity:GetId": Fail("ResourceNotFoundException"),
    "iot:AttachPolicy": Fail("AccessDeniedException", 403),
}


@pytest.fixture(autouse=True)
def no_pending_attachments(deployment: Deployment) -> Iterator[None]:
    """Start and end with empty queues and without faults."""
    deployment.drain_queues()
    yield
    deployment.cloud.clear_faults()
    deployment.drain_queues()


def _start_cold(deployment: Deployment) -> None:
    """Restart the trigger, because it caches its parameters."""
    functions, name = deployment.cloud.client("lambda"), deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def _line(deployment: Deployment) -> dict[str, Any]:
    """Return the trigger's last line; its duration must be shorter than Cognito waits."""
    line = deployment.trigger_lines()[-1]
    assert line["Duration"] < _COGNITO_SECONDS * 1000
    return line


def _identity_id_queued(deployment: Deployment, operation: str, effect: Effect) -> str:
    """Sign in a new user during a fault, which makes the attachment pending, and return the identity id."""
    user = deployment.make_user()
    with deployment.cloud.fault(operation, effect):
        tokens = deployment.sign_in(user)
    assert _line(deployment)["outcome"] == "Queued", operation
    identity_id = deployment.identity_id(tokens)
    assert deployment.attached_policies(identity_id) == [], operation
    return identity_id


def test_worker_attaches_after_a_temporary_fault_of_any_call(deployment: Deployment) -> None:
    _start_cold(deployment)
    with deployment.worker_stopped():
        identity_ids = [_identity_id_queued(deployment, *each) for each in _RETRYABLE.items()]
        assert deployment.messages_in(Output.RETRY_QUEUE_URL) == len(_RETRYABLE)
    for identity_id, operation in zip(identity_ids, _RETRYABLE, strict=True):
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"], operation


def test_throttled_attachment_is_delivered_to_the_worker_again(deployment: Deployment) -> None:
    # More attempts than the trigger and the first delivery to the worker make.
    with deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException"), times=8):
        identity_id = deployment.identity_id(deployment.sign_in(deployment.make_user()))
        deployment.wait_until_attached(identity_id)
        (throttled,) = deployment.cloud.faults()
    assert throttled.hits == 8
    deployment.wait_until_retry_queue_is_empty()
    assert deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) == 0


def test_permanent_fault_leads_to_the_dead_letter_queue_and_redrive_attaches(deployment: Deployment) -> None:
    identity_ids = []
    for number, (operation, effect) in enumerate(_PERMANENT.items(), 1):
        user = deployment.make_user()
        with deployment.cloud.fault(operation, effect):
            tokens = deployment.sign_in(user)
            assert _line(deployment)["outcome"] == "Queued", operation
            deployment.wait_until_retry_queue_is_empty()
        assert deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) == number, operation
        identity_ids.append(deployment.identity_id(tokens))
    done = deployment.pubsub("redrive", "--yes", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["moved"] == len(_PERMANENT)
    for identity_id, operation in zip(identity_ids, _PERMANENT, strict=True):
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"], operation
