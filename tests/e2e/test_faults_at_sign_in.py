"""AWS calls of the chain fail: the sign-in succeeds, and the pending attachment is made once the fault is over.

The worker retries retryable errors. After all other errors the message waits in the dead-letter queue until an operator
fixes the cause and moves it back. `tests/unit/lambdas/test_retries.py` tests which errors are retryable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local_cloud.faults import Effect, Fail, Hang, Malformed, Throttle
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment

# The time that Cognito gives a trigger.
# https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
_COGNITO_SECONDS = 5.0

_RETRYABLE: dict[str, Effect] = {  # each call of the chain, and each kind of fault once or more
    "ssm:GetParameters": Fail("InternalFailure", 500),
    "cognito-idp:DescribeUserPoolClient": Fail("TooManyRequestsException"),
    "cognito-idp:AdminInitiateAuth": Fail("TooManyRequestsException"),
    "kms:GenerateMac": Malformed(),
    "cognito-idp:AdminRespondToAuthChallenge": Fail("InternalFailure", 500),
    "kms:VerifyMac": Fail("ThrottlingException"),
    "cognito-identity:GetId": Hang(),
    "iot:AttachPolicy": Fail("ThrottlingException"),
}
_LASTING: dict[str, Effect] = {
    "cognito-idp:AdminInitiateAuth": Fail(
        "UserLambdaValidationException", message="PreAuthentication failed with error an unknown app client."
    ),
    "kms:VerifyMac": Fail("AccessDeniedException", 403),
    "cognito-identity:GetId": Fail("ResourceNotFoundException"),
    "iot:AttachPolicy": Fail("AccessDeniedException", 403),
}


@pytest.fixture(autouse=True)
def no_pending_attachments(deployment: Deployment) -> Iterator[None]:
    """Begin and end with empty queues and without faults."""
    deployment.forget_what_is_owed()
    yield
    deployment.cloud.clear_faults()
    deployment.forget_what_is_owed()


def _start_cold(deployment: Deployment) -> None:
    """Restart the trigger, because it caches parameters and the client secret."""
    functions, name = deployment.cloud.client("lambda"), deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def _line(deployment: Deployment) -> dict[str, Any]:
    """Return the line of the last sign-in, after checking that the trigger was in time."""
    line = deployment.trigger_lines()[-1]
    assert line["Duration"] < _COGNITO_SECONDS * 1000
    return line


def _identity_id_queued(deployment: Deployment, operation: str, effect: Effect) -> str:
    """Sign a new user in under a fault; return the identity id of the user, whose attachment was queued."""
    user = deployment.make_user()
    with deployment.cloud.fault(operation, effect):
        tokens = deployment.sign_in(user)
    assert _line(deployment)["outcome"] == "Queued", operation
    identity_id = deployment.identity_id(tokens)
    assert deployment.attached_policies(identity_id) == [], operation
    return identity_id


def test_retryable_fault_of_any_call_is_retried_by_the_worker(deployment: Deployment) -> None:
    _start_cold(deployment)
    with deployment.worker_stopped():
        identity_ids = [_identity_id_queued(deployment, *each) for each in _RETRYABLE.items()]
        assert deployment.messages_in(Output.RETRY_QUEUE_URL) == len(_RETRYABLE)
    for identity_id, operation in zip(identity_ids, _RETRYABLE, strict=True):
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"], operation


def test_throttled_attachment_returns_to_the_worker(deployment: Deployment) -> None:
    # More attempts than the trigger makes, and the worker for the first delivery of the message.
    with deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException"), times=8):
        identity_id = deployment.identity_id(deployment.sign_in(deployment.make_user()))
        deployment.wait_until_attached(identity_id)
        (throttled,) = deployment.cloud.faults()
    assert throttled.hits == 8
    deployment.wait_until_nothing_is_owed()
    assert deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) == 0


def test_lasting_fault_ends_in_the_dead_letter_queue_until_redrive(deployment: Deployment) -> None:
    identity_ids = []
    for number, (operation, effect) in enumerate(_LASTING.items(), 1):
        user = deployment.make_user()
        with deployment.cloud.fault(operation, effect):
            tokens = deployment.sign_in(user)
            assert _line(deployment)["outcome"] == "Queued", operation
            deployment.wait_until_nothing_is_owed()
        assert deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) == number, operation
        identity_ids.append(deployment.identity_id(tokens))
    done = deployment.pubsub("redrive", "--yes", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["moved"] == len(_LASTING)
    for identity_id, operation in zip(identity_ids, _LASTING, strict=True):
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"], operation


def test_user_who_cannot_be_marked_is_attached(deployment: Deployment) -> None:
    with deployment.cloud.fault("cognito-idp:AdminUpdateUserAttributes", Fail("AccessDeniedException", 403)):
        tokens = deployment.sign_in(deployment.make_user())
        assert deployment.attached_policies(deployment.identity_id(tokens)) == ["myIoTPolicy"]


def test_attachment_that_cannot_be_queued_is_made_by_the_next_sign_in(deployment: Deployment) -> None:
    user = deployment.make_user()
    throttled = deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException"))
    with throttled, deployment.cloud.fault("sqs:SendMessage", Fail("InternalFailure", 500)):
        tokens = deployment.sign_in(user)
    line = _line(deployment)
    assert line["outcome"] == "Failed"
    assert "; not queued: " in line["reason"]
    identity_id = deployment.identity_id(tokens)
    assert deployment.attached_policies(identity_id) == []
    deployment.sign_in(user)
    deployment.wait_until_attached(identity_id)


def test_users_who_sign_in_while_the_quota_is_used_up_are_attached_later(deployment: Deployment) -> None:
    """`python -m benchmarks.storm` measures how long hundreds of users need until all are attached."""
    users = [deployment.make_user() for _ in range(6)]
    with deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException")), ThreadPoolExecutor(3) as pool:
        identity_ids = list(pool.map(lambda user: deployment.identity_id(deployment.sign_in(user)), users))
        assert [deployment.attached_policies(each) for each in identity_ids] == [[]] * 6
    with deployment.cloud.fault("iot:AttachPolicy", Throttle(2)):
        for each in identity_ids:
            deployment.wait_until_attached(each)
