"""Each AWS call of the chain meets each fault: the sign-in succeeds, and what is owed is made once the fault is over.

What passes by itself comes again from the queue. What somebody must mend waits among the dead letters, with the alarm's
condition true, until it is mended and moved back.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from bench.storm import attach_per_second, storm
from local_cloud.faults import Effect, Fail, Hang, Malformed
from pubsub_client.outputs import Output
from tests.e2e.conftest import deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Deployment

# What Cognito gives a trigger, for a sign-in that did not fail.
# https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
_COGNITO_SECONDS = 5.0

_STORM_RATE = 3

_CHAIN = {  # the calls in their order, and what each answers for too many calls and for something that is not there
    "ssm:GetParameters": ("ThrottlingException", "ParameterNotFound"),
    "cognito-idp:AdminInitiateAuth": ("TooManyRequestsException", "ResourceNotFoundException"),
    "kms:GenerateMac": ("ThrottlingException", "NotFoundException"),
    "cognito-idp:AdminRespondToAuthChallenge": ("TooManyRequestsException", "ResourceNotFoundException"),
    "kms:VerifyMac": ("ThrottlingException", "NotFoundException"),
    "cognito-identity:GetId": ("TooManyRequestsException", "ResourceNotFoundException"),
    "iot:AttachPolicy": ("ThrottlingException", "ResourceNotFoundException"),
}
_MARKING = "cognito-idp:AdminUpdateUserAttributes"
_REFUSED_BY_A_TRIGGER = pytest.param(
    "cognito-idp:AdminInitiateAuth",
    Fail("UserLambdaValidationException", message="PreAuthentication failed with error an unknown app client."),
    id="cognito-idp:AdminInitiateAuth refused by the pool's own trigger",
)


def _passing(operation: str) -> dict[str, Effect]:
    throttled, _ = _CHAIN.get(operation, ("TooManyRequestsException", ""))
    return {
        "throttled": Fail(throttled),
        "failing": Fail("InternalFailure", 500),
        "hanging": Hang(),
        "malformed": Malformed(),
    }


def _lasting(operation: str) -> dict[str, Effect]:
    _, not_found = _CHAIN.get(operation, ("", "ResourceNotFoundException"))
    return {"denied": Fail("AccessDeniedException", 403), "not found": Fail(not_found)}


def _cases(effects: Any, operations: Any) -> list[Any]:
    return [
        pytest.param(operation, effect, id=f"{operation} {name}")
        for operation in operations
        for name, effect in effects(operation).items()
    ]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment of one's own: faults meet every sign-in there is."""
    settings = {"attachPerSecond": attach_per_second(_STORM_RATE)}
    with deployed(tmp_path_factory.mktemp("faults"), settings) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_left(deployment: Deployment) -> Iterator[None]:
    yield
    deployment.cloud.clear_faults()
    for queue in (Output.RETRY_QUEUE_URL, Output.DEAD_LETTER_QUEUE_URL):
        assert deployment.messages_in(queue) == 0


@contextmanager
def _fault(deployment: Deployment, operation: str, effect: Effect) -> Iterator[None]:
    if operation == "ssm:GetParameters":
        _start_cold(deployment)  # what was read once stays in use
    with deployment.cloud.fault(operation, effect):
        yield


def _start_cold(deployment: Deployment) -> None:
    functions = deployment.cloud.client("lambda")
    for function in functions.list_functions()["Functions"]:
        if "CONFIGURATION_PARAMETER" in function.get("Environment", {}).get("Variables", {}):
            functions.update_function_configuration(
                FunctionName=function["FunctionName"], Environment={"Variables": function["Environment"]["Variables"]}
            )


def _sign_in(deployment: Deployment, user: str) -> dict[str, str]:
    """Sign in, and see that it is done within the time that Cognito has for the trigger."""
    srp = deployment.srp(user)
    started = time.monotonic()
    tokens: dict[str, str] = srp.authenticate_user()["AuthenticationResult"]
    assert time.monotonic() - started < _COGNITO_SECONDS
    return tokens


@pytest.mark.parametrize(("operation", "effect"), _cases(_passing, _CHAIN))
def test_what_passes_is_made_up_for_by_the_worker(deployment: Deployment, operation: str, effect: Effect) -> None:
    user = deployment.make_user()
    with _fault(deployment, operation, effect):
        tokens = _sign_in(deployment, user)
        assert deployment.trigger_lines()[-1]["outcome"] == "Queued"
    deployment.wait_until_attached(deployment.identity_id(tokens))
    deployment.wait_until_nothing_is_owed()
    assert deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) == 0


@pytest.mark.parametrize(("operation", "effect"), [*_cases(_lasting, _CHAIN), _REFUSED_BY_A_TRIGGER])
def test_what_somebody_must_mend_waits_among_the_dead_letters(
    deployment: Deployment, operation: str, effect: Effect
) -> None:
    user = deployment.make_user()
    with _fault(deployment, operation, effect):
        tokens = _sign_in(deployment, user)
        assert deployment.trigger_lines()[-1]["outcome"] == "Queued"
        _wait_for_the_alarm(deployment)
        assert deployment.messages_in(Output.RETRY_QUEUE_URL) == 0
    done = deployment.pubsub("redrive", "--yes")
    assert done.returncode == 0, done.stderr
    deployment.wait_until_attached(deployment.identity_id(tokens))
    deployment.wait_until_nothing_is_owed()


@pytest.mark.parametrize(
    ("operation", "effect"),
    [*_cases(_passing, [_MARKING]), *_cases(_lasting, [_MARKING])],
)
def test_a_user_who_cannot_be_marked_is_attached(deployment: Deployment, operation: str, effect: Effect) -> None:
    user = deployment.make_user()
    with _fault(deployment, operation, effect):
        tokens = _sign_in(deployment, user)
        assert deployment.attached_policies(deployment.identity_id(tokens)) == ["myIoTPolicy"]
    deployment.wait_until_nothing_is_owed()


@pytest.mark.parametrize(("operation", "effect"), _cases(_passing, ["sqs:SendMessage"]))
def test_what_cannot_even_be_queued_is_made_up_for_by_the_next_sign_in(
    deployment: Deployment, operation: str, effect: Effect
) -> None:
    user = deployment.make_user()
    with deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException")), _fault(deployment, operation, effect):
        tokens = _sign_in(deployment, user)
        line = deployment.trigger_lines()[-1]
        assert line["outcome"] == "Failed"
        assert "; not queued: " in line["reason"]
    identity_id = deployment.identity_id(tokens)
    assert deployment.attached_policies(identity_id) == []
    _sign_in(deployment, user)
    assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]


def test_a_storm_of_new_users_is_attached_at_the_rate_that_the_quota_allows(deployment: Deployment) -> None:
    """`python -m bench.storm` is the same with 1,000 users at AWS's own rate."""
    seen = storm(deployment.cloud, deployment.outputs, users=10 * _STORM_RATE, rate=_STORM_RATE, threads=4)
    assert seen.broken_bounds() == []
    assert seen.throttled > 0, "there was no storm"


def _wait_for_the_alarm(deployment: Deployment) -> None:
    """Wait until what the deployed alarm looks at is as it must be to go off."""
    (alarm,) = (
        each
        for each in deployment.cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
        if each.get("MetricName") == "ApproximateNumberOfMessagesVisible"
    )
    assert (alarm["Namespace"], alarm["ComparisonOperator"]) == ("AWS/SQS", "GreaterThanThreshold")
    name = deployment.outputs[Output.DEAD_LETTER_QUEUE_URL].rpartition("/")[2]
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": name}]
    _wait(
        lambda: deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) > alarm["Threshold"],
        "the dead-letter queue is empty",
    )


def _wait(happened: Any, otherwise: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)
