from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from local_cloud.faults import Delay, Fail, Fault, FaultError, Hang, Malformed, Throttle
from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import ALLOW_IOT, document, make_function, unique

LIST = "iot:ListPolicies"
KEYS = (
    "faults, policy_propagation_seconds, permission_propagation_seconds, execution_consistency_seconds, "
    "credentials_lifetime_seconds, trigger_timeout_seconds, only_readable_attributes"
)

pytestmark = pytest.mark.usefixtures("faultless")


@dataclass(frozen=True)
class Call:
    """A call of a service: its throttling error, another error that it knows, and a member of its answer."""

    operation: str
    make: Callable[[Any], Any]
    throttling: str
    error: str
    member: str
    service: str = ""

    def on(self, cloud: LocalCloud) -> Any:
        return self.make(self.client(cloud))

    def client(self, cloud: LocalCloud) -> Any:
        return cloud.client(self.service or self.operation.partition(":")[0])


_TOO_MANY = "TooManyRequestsException"
_JSON_CALLS = [
    Call(LIST, lambda iot: iot.list_policies(), "ThrottlingException", "UnauthorizedException", "policies"),
    Call(
        "cognito-idp:ListUserPools",
        lambda users: users.list_user_pools(MaxResults=1),
        _TOO_MANY,
        "InternalErrorException",
        "UserPools",
    ),
    Call(
        "cognito-identity:ListIdentityPools",
        lambda identities: identities.list_identity_pools(MaxResults=1),
        _TOO_MANY,
        "NotAuthorizedException",
        "IdentityPools",
    ),
    Call("kms:ListKeys", lambda kms: kms.list_keys(), "ThrottlingException", "KMSInternalException", "Keys"),
    Call(
        "ssm:DescribeParameters",
        lambda ssm: ssm.describe_parameters(),
        "ThrottlingException",
        "InternalServerError",
        "Parameters",
    ),
    Call("sqs:ListQueues", lambda sqs: sqs.list_queues(), "RequestThrottled", "UnsupportedOperation", "QueueUrls"),
    Call(
        "lambda:ListFunctions", lambda functions: functions.list_functions(), _TOO_MANY, "ServiceException", "Functions"
    ),
    Call(
        "iot:Publish",
        lambda data: data.publish(topic="faults", payload=b""),
        "ThrottlingException",
        "UnauthorizedException",
        "nothing",
        service="iot-data",
    ),
]
_QUERY_CALLS = [
    ("sts:GetCallerIdentity", lambda sts: sts.get_caller_identity()),
    ("iam:ListRoles", lambda iam: iam.list_roles()),
    ("cloudformation:ListStacks", lambda stacks: stacks.list_stacks()),
]


@pytest.mark.parametrize("call", _JSON_CALLS, ids=lambda each: each.operation)
def test_json_service_raises_its_own_errors_and_answers_malformed_bodies(cloud: LocalCloud, call: Call) -> None:
    exceptions = call.client(cloud).exceptions
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


@pytest.mark.parametrize(("operation", "make"), _QUERY_CALLS, ids=[operation for operation, _ in _QUERY_CALLS])
def test_query_service_raises_its_codes_and_cannot_parse_malformed_bodies(
    cloud: LocalCloud, operation: str, make: Callable[[Any], Any]
) -> None:
    client = cloud.client(operation.partition(":")[0])
    with cloud.fault(operation, Fail("AccessDenied", 403)), pytest.raises(ClientError, match="AccessDenied") as failure:
        make(client)
    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with cloud.fault(operation, Throttle(0.001)):
        make(client)
        with pytest.raises(ClientError, match=r"\(Throttling\)"):
            make(client)
    with cloud.fault(operation, Malformed()), pytest.raises(ResponseParserError):
        make(client)


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


def test_delayed_call_is_answered_late_and_does_not_hold_up_others(cloud: LocalCloud) -> None:
    with cloud.fault(LIST, Delay(1)), ThreadPoolExecutor() as background:
        late = background.submit(cloud.client("iot").list_policies)
        assert eventually(lambda: cloud.faults()[0].hits == 1)
        cloud.client("iot").list_things()
        assert not late.done()
        assert "policies" in late.result()


def test_hanging_call_continues_when_the_fault_is_cleared(cloud: LocalCloud) -> None:
    cloud.set_faults([Fault((LIST,), Hang(), times=1)])
    with ThreadPoolExecutor() as background:
        hanging = background.submit(cloud.client("iot").list_policies)
        assert eventually(lambda: cloud.faults()[0].hits == 1)
        time.sleep(0.2)
        assert not hanging.done()
        cloud.clear_faults(LIST)
        assert "policies" in hanging.result(timeout=10)


def test_hanging_call_whose_client_has_given_up_has_no_effect(cloud: LocalCloud) -> None:
    name, hasty = unique("policy"), iot_client(cloud, seconds=0.3)
    with cloud.fault("iot:CreatePolicy", Hang()):
        with pytest.raises(ReadTimeoutError):
            hasty.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
        hasty.close()
        time.sleep(1)  # the cloud hears of it
    time.sleep(0.3)  # what would be done now
    with pytest.raises(ClientError, match="ResourceNotFound"):
        cloud.client("iot").get_policy(policyName=name)


def test_block_clears_only_its_own_fault(cloud: LocalCloud) -> None:
    (kept,) = cloud.set_faults([Fault((LIST,), Throttle(1000))])
    with cloud.fault(LIST, Delay(0)):
        assert len(cloud.faults()) == 2
    assert [each.number for each in cloud.faults()] == [kept]


def test_invalid_fault_is_refused_and_none_is_set(cloud: LocalCloud) -> None:
    with pytest.raises(FaultError, match=r"^rate: allowed is a number of calls a second above 0$"):
        cloud.set_faults([Fault((LIST,), Hang()), Fault((LIST,), Throttle(-1))])
    assert cloud.faults() == []


@pytest.mark.parametrize(
    ("method", "query", "body", "told"),
    [
        ("POST", "", b"{", "body: allowed is JSON"),
        ("POST", "", b"[]", f"body: allowed is an object with any of {KEYS}"),
        ("POST", "", b'{"fault": 1}', f"'fault': no such key; allowed are {KEYS}"),
        ("POST", "", b'{"faults": 1}', "faults: allowed is a list of faults"),
        (
            "POST",
            "",
            b'{"policy_propagation_seconds": -1}',
            "policy_propagation_seconds: allowed is a number of seconds from 0 to 86400",
        ),
        ("POST", "", b'{"only_readable_attributes": 1}', "only_readable_attributes: allowed is true or false"),
        ("DELETE", "?id=1", None, "'id': no such key; allowed are number, operation"),
        ("DELETE", "?number=x", None, "number: allowed is the number of a fault"),
        ("PUT", "", b"{}", "method PUT: allowed is GET, POST, DELETE"),
    ],
)
def test_address_refuses_unknown_requests(
    cloud: LocalCloud, method: str, query: str, body: bytes | None, told: str
) -> None:
    url = f"{cloud.endpoint_url}/_local_cloud/faults{query}"
    request = urllib.request.Request(url, body, method=method)  # noqa: S310 - the address of a local cloud
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    with refusal.value:
        assert refusal.value.code == 400
        assert json.load(refusal.value) == {"message": told}


def iot_client(cloud: LocalCloud, *, seconds: float = 60, access_key_id: str = "test") -> Any:
    """Return a client of AWS IoT that waits so long for an answer."""
    return boto3.client(
        "iot",
        region_name=cloud.region,
        endpoint_url=cloud.endpoint_url,
        aws_access_key_id=access_key_id,
        aws_secret_access_key="test",
        config=Config(read_timeout=seconds, proxies={}),
    )


def eventually(happened: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    return happened()
