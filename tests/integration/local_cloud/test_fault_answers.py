from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from local_cloud.faults import Fail, Malformed, Throttle
from local_cloud.process import LocalCloud

LIST = "iot:ListPolicies"

pytestmark = pytest.mark.usefixtures("faultless")


@dataclass(frozen=True)
class Call:
    """A call of a service; what it answers to too many, and another error it knows."""

    service: str
    operation: str
    make: Callable[[Any], Any]
    throttling: str
    error: str
    answers: str

    def on(self, cloud: LocalCloud) -> Any:
        return self.make(cloud.client(self.service))


CALLS = [
    Call("iot", LIST, lambda iot: iot.list_policies(), "ThrottlingException", "UnauthorizedException", "policies"),
    Call(
        "cognito-idp",
        "cognito-idp:ListUserPools",
        lambda idp: idp.list_user_pools(MaxResults=1),
        "TooManyRequestsException",
        "InternalErrorException",
        "UserPools",
    ),
    Call(
        "cognito-identity",
        "cognito-identity:ListIdentityPools",
        lambda identity: identity.list_identity_pools(MaxResults=1),
        "TooManyRequestsException",
        "NotAuthorizedException",
        "IdentityPools",
    ),
    Call("kms", "kms:ListKeys", lambda kms: kms.list_keys(), "ThrottlingException", "KMSInternalException", "Keys"),
    Call(
        "ssm",
        "ssm:DescribeParameters",
        lambda ssm: ssm.describe_parameters(),
        "ThrottlingException",
        "InternalServerError",
        "Parameters",
    ),
    Call(
        "sqs", "sqs:ListQueues", lambda sqs: sqs.list_queues(), "RequestThrottled", "UnsupportedOperation", "QueueUrls"
    ),
    Call(
        "lambda",
        "lambda:ListFunctions",
        lambda functions: functions.list_functions(),
        "TooManyRequestsException",
        "ServiceException",
        "Functions",
    ),
    Call(
        "iot-data",
        "iot:Publish",
        lambda data: data.publish(topic="faults", payload=b""),
        "ThrottlingException",
        "UnauthorizedException",
        "nothing",
    ),
]
QUERY_CALLS = [
    Call("sts", "sts:GetCallerIdentity", lambda sts: sts.get_caller_identity(), "Throttling", "", ""),
    Call("iam", "iam:ListRoles", lambda iam: iam.list_roles(), "Throttling", "ServiceFailure", ""),
    Call("cloudformation", "cloudformation:ListStacks", lambda stacks: stacks.list_stacks(), "Throttling", "", ""),
]
every_json_service = pytest.mark.parametrize("call", CALLS, ids=lambda each: each.service)
every_query_service = pytest.mark.parametrize("call", QUERY_CALLS, ids=lambda each: each.service)


def code_of(failure: pytest.ExceptionInfo[ClientError]) -> str:
    return str(failure.value.response["Error"]["Code"])


@every_json_service
def test_an_error_is_raised_as_the_services_own_class(cloud: LocalCloud, call: Call) -> None:
    exceptions = cloud.client(call.service).exceptions
    with (
        cloud.fault(call.operation, Fail(call.error, 409, "No.")),
        pytest.raises(exceptions.from_code(call.error)) as failure,
    ):
        call.on(cloud)
    assert type(failure.value).__name__ == call.error
    response = failure.value.response
    assert response["Error"]["Message"] == "No."
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 409
    call.on(cloud)


@every_json_service
def test_throttling_is_raised_as_the_services_own_class_or_code(cloud: LocalCloud, call: Call) -> None:
    throttling = cloud.client(call.service).exceptions.from_code(call.throttling)
    with cloud.fault(call.operation, Throttle(0.001)):
        call.on(cloud)
        with pytest.raises(throttling) as failure:
            call.on(cloud)
    assert code_of(failure) == call.throttling
    call.on(cloud)


@every_query_service
def test_an_error_of_a_query_service_has_its_code_and_status(cloud: LocalCloud, call: Call) -> None:
    with cloud.fault(call.operation, Fail("AccessDenied", 403)), pytest.raises(ClientError) as failure:
        call.on(cloud)
    assert code_of(failure) == "AccessDenied"
    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with cloud.fault(call.operation, Throttle(0.001)):
        call.on(cloud)
        with pytest.raises(ClientError) as failure:
            call.on(cloud)
    assert code_of(failure) == call.throttling


def test_the_legacy_code_of_sqs_comes_with_the_class(cloud: LocalCloud) -> None:
    sqs = cloud.client("sqs")
    with (
        cloud.fault("sqs:ListQueues", Fail("QueueDoesNotExist")),
        pytest.raises(sqs.exceptions.QueueDoesNotExist) as failure,
    ):
        sqs.list_queues()
    assert code_of(failure) == "AWS.SimpleQueueService.NonExistentQueue"


@every_json_service
def test_a_malformed_body_has_nothing_that_was_asked_for(cloud: LocalCloud, call: Call) -> None:
    with cloud.fault(call.operation, Malformed()):
        answer = call.on(cloud)
    assert call.answers not in answer
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


@every_query_service
def test_a_malformed_body_cannot_be_parsed_as_xml(cloud: LocalCloud, call: Call) -> None:
    with cloud.fault(call.operation, Malformed()), pytest.raises(ResponseParserError):
        call.on(cloud)
