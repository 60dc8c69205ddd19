from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from local_cloud.faults import Delay, Fail, Fault, FaultError, Hang, Malformed, Throttle
from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import ALLOW_IOT, document, make_function, unique, wait_until

LIST = "iot:ListPolicies"

_CLIENTS: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def no_faults(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No faults before and after the test, and clients that do not retry."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(cloud, "_clients", _CLIENTS)
    cloud.clear_faults()
    yield
    cloud.clear_faults()


@dataclass(frozen=True)
class Call:
    """A call of a JSON service: its throttling error, another of its errors, and a member of its answer."""

    service: str
    name: str
    throttling: str
    error: str
    member: str
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def operation(self) -> str:
        return f"{self.service.removesuffix('-data')}:{self.name}"

    def on(self, cloud: LocalCloud) -> Any:
        return getattr(cloud.client(self.service), xform_name(self.name))(**self.arguments)


_ONE = {"MaxResults": 1}
_THROTTLING, _TOO_MANY = "ThrottlingException", "TooManyRequestsException"
_CALLS = [
    Call("iot", "ListPolicies", _THROTTLING, "UnauthorizedException", "policies"),
    Call("iot-data", "Publish", _THROTTLING, "UnauthorizedException", "nothing", {"topic": "faults"}),
    Call("cognito-idp", "ListUserPools", _TOO_MANY, "InternalErrorException", "UserPools", _ONE),
    Call("cognito-identity", "ListIdentityPools", _TOO_MANY, "NotAuthorizedException", "IdentityPools", _ONE),
    Call("kms", "ListKeys", _THROTTLING, "KMSInternalException", "Keys"),
    Call("ssm", "DescribeParameters", _THROTTLING, "InternalServerError", "Parameters"),
    Call("sqs", "ListQueues", "RequestThrottled", "UnsupportedOperation", "QueueUrls"),
    Call("lambda", "ListFunctions", _TOO_MANY, "ServiceException", "Functions"),
]
_QUERY_OPERATIONS = ["sts:GetCallerIdentity", "iam:ListRoles", "cloudformation:ListStacks"]


@pytest.mark.parametrize("call", _CALLS, ids=lambda each: each.operation)
def test_json_service_raises_its_errors_and_parses_malformed_bodies(cloud: LocalCloud, call: Call) -> None:
    exceptions = cloud.client(call.service).exceptions
    with (
        cloud.fault(call.operation, Fail(call.error, 409, "No.")),
        pytest.raises(exceptions.from_code(call.error)) as failure,
    ):
        call.on(cloud)
    assert type(failure.value).__name__ == call.error
    response = failure.value.response
    assert (response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("No.", 409)
    with cloud.fault(call.operation, Throttle(0.001)):
        call.on(cloud)
        with pytest.raises(exceptions.from_code(call.throttling), match=call.throttling):
            call.on(cloud)
    with cloud.fault(call.operation, Malformed()):
        answer = call.on(cloud)
    assert call.member not in answer
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    call.on(cloud)


@pytest.mark.parametrize("operation", _QUERY_OPERATIONS)
def test_query_service_raises_its_errors_and_rejects_malformed_bodies(cloud: LocalCloud, operation: str) -> None:
    service, _, name = operation.partition(":")
    call = getattr(cloud.client(service), xform_name(name))
    with cloud.fault(operation, Fail("AccessDenied", 403)), pytest.raises(ClientError, match="AccessDenied") as failure:
        call()
    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with cloud.fault(operation, Throttle(0.001)):
        call()
        with pytest.raises(ClientError, match=r"\(Throttling\)"):
            call()
    with cloud.fault(operation, Malformed()), pytest.raises(ResponseParserError):
        call()


def test_error_of_sqs_has_the_class_and_the_legacy_code(cloud: LocalCloud) -> None:
    sqs = cloud.client("sqs")
    with (
        cloud.fault("sqs:ListQueues", Fail("QueueDoesNotExist")),
        pytest.raises(sqs.exceptions.QueueDoesNotExist, match=r"AWS\.SimpleQueueService\.NonExistentQueue"),
    ):
        sqs.list_queues()


def test_client_that_retries_succeeds_after_the_fault(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    before = cloud.calls().get(LIST, 0)
    with cloud.fault(LIST, Fail("InternalFailureException", 500), times=2):
        iot_client(cloud).list_policies()
    assert cloud.calls()[LIST] == before + 3


def test_fault_comes_before_iam_and_the_call_is_counted(cloud: LocalCloud) -> None:
    iot = iot_client(cloud, access_key_id="AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(ClientError, match="security token"):
        iot.delete_policy(policyName="none")
    before = cloud.calls()["iot:DeletePolicy"]
    with (
        cloud.fault("iot:DeletePolicy", Fail("LimitExceededException", 410)),
        pytest.raises(iot.exceptions.LimitExceededException),
    ):
        iot.delete_policy(policyName="none")
    assert cloud.calls()["iot:DeletePolicy"] == before + 1


def test_fault_affects_calls_of_functions(cloud: LocalCloud) -> None:
    source = """
import boto3
def handler(event, context):
    try:
        boto3.client("iot").list_policies()
    except Exception as error:
        return type(error).__name__
"""
    function_arn = make_function(cloud, source)
    with cloud.fault(LIST, Fail("UnauthorizedException", 401)):
        answer = cloud.client("lambda").invoke(FunctionName=function_arn)
    assert json.load(answer["Payload"]) == "UnauthorizedException"


def test_failed_call_has_no_effect(cloud: LocalCloud) -> None:
    iot, name = cloud.client("iot"), unique("policy")
    with cloud.fault("iot:CreatePolicy", Malformed()):
        iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.get_policy(policyName=name)


def test_delayed_call_does_not_delay_others(cloud: LocalCloud) -> None:
    with cloud.fault(LIST, Delay(1)), ThreadPoolExecutor() as background:
        late = background.submit(cloud.client("iot").list_policies)
        wait_until(lambda: cloud.faults()[0].hits == 1)
        cloud.client("iot").list_things()
        assert not late.done()
        assert "policies" in late.result()


def test_hanging_call_continues_when_the_fault_is_cleared(cloud: LocalCloud) -> None:
    cloud.set_faults([Fault((LIST,), Hang(), times=1)])
    with ThreadPoolExecutor() as background:
        hanging = background.submit(cloud.client("iot").list_policies)
        wait_until(lambda: cloud.faults()[0].hits == 1)
        time.sleep(0.2)
        assert not hanging.done()
        cloud.clear_faults(LIST)
        assert "policies" in hanging.result(timeout=10)


def test_hanging_call_of_a_disconnected_client_has_no_effect(cloud: LocalCloud) -> None:
    name, impatient = unique("policy"), iot_client(cloud, seconds=0.3)
    with cloud.fault("iot:CreatePolicy", Hang()):
        with pytest.raises(ReadTimeoutError):
            impatient.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
        impatient.close()
        time.sleep(1)  # until the cloud notices the disconnection
    time.sleep(0.3)  # during which the call would run now
    with pytest.raises(ClientError, match="ResourceNotFound"):
        cloud.client("iot").get_policy(policyName=name)


def test_block_clears_only_its_own_fault(cloud: LocalCloud) -> None:
    (kept,) = cloud.set_faults([Fault((LIST,), Throttle(1000))])
    with cloud.fault(LIST, Delay(0)):
        assert len(cloud.faults()) == 2
    assert [each.number for each in cloud.faults()] == [kept]


def test_one_invalid_fault_prevents_all(cloud: LocalCloud) -> None:
    with pytest.raises(FaultError, match=r"^rate: -1 given; allowed: a number of calls per second above 0$"):
        cloud.set_faults([Fault((LIST,), Hang()), Fault((LIST,), Throttle(-1))])
    assert cloud.faults() == []


def iot_client(cloud: LocalCloud, *, seconds: float = 60, access_key_id: str = "test") -> Any:
    """Return a client of AWS IoT with a read timeout."""
    return boto3.client(
        "iot",
        region_name=cloud.region,
        endpoint_url=cloud.endpoint_url,
        aws_access_key_id=access_key_id,
        aws_secret_access_key="test",
        config=Config(read_timeout=seconds, proxies={}),
    )
