from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from local_cloud.faults import Delay, Fail, Fault, FaultError, Hang, Malformed, SetFault, Throttle
from local_cloud.faults.quotas import AWS_QUOTAS
from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import ALLOW_IOT, document, make_function, unique

LIST = "iot:ListPolicies"

pytestmark = pytest.mark.usefixtures("faultless")


def test_a_fault_happens_so_many_times(cloud: LocalCloud) -> None:
    iot = cloud.client("iot")
    with cloud.fault(LIST, Fail("InternalFailureException", 500), times=2):
        for _ in range(2):
            with pytest.raises(iot.exceptions.InternalFailureException):
                iot.list_policies()
        iot.list_policies()
        assert [each.hits for each in cloud.faults()] == [2]
    assert cloud.faults() == []


def test_a_client_that_tries_again_outlives_a_fault_that_passes(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    before = cloud.calls().get(LIST, 0)
    with cloud.fault(LIST, Fail("InternalFailureException", 500), times=2):
        iot_client(cloud).list_policies()
    assert cloud.calls()[LIST] == before + 3


def test_a_fault_stands_before_iam_and_the_call_is_counted(cloud: LocalCloud) -> None:
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


def test_the_call_of_a_function_meets_a_fault_too(cloud: LocalCloud) -> None:
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


def test_what_fails_is_not_done(cloud: LocalCloud) -> None:
    iot, name = cloud.client("iot"), unique("policy")
    with cloud.fault("iot:CreatePolicy", Malformed()):
        iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.get_policy(policyName=name)


def test_a_delay_takes_at_least_as_long_and_the_call_is_done(cloud: LocalCloud) -> None:
    with cloud.fault(LIST, Delay(0.2)):
        begun = time.monotonic()
        assert "policies" in cloud.client("iot").list_policies()
        assert time.monotonic() - begun >= 0.2


def test_a_delay_of_one_call_does_not_hold_up_others(cloud: LocalCloud) -> None:
    with cloud.fault(LIST, Delay(3)), ThreadPoolExecutor() as background:
        late = background.submit(cloud.client("iot").list_policies)
        assert eventually(lambda: cloud.faults()[0].hits == 1)
        cloud.client("iot").list_things()
        assert not late.done()


def test_a_call_that_hangs_goes_on_when_the_fault_is_cleared(cloud: LocalCloud) -> None:
    cloud.set_faults([Fault((LIST,), Hang(), times=1)])
    with ThreadPoolExecutor() as background:
        hanging = background.submit(cloud.client("iot").list_policies)
        assert eventually(lambda: cloud.faults()[0].hits == 1)
        time.sleep(0.2)
        assert not hanging.done()
        cloud.clear_faults(LIST)
        assert "policies" in hanging.result(timeout=10)


def test_a_call_whose_client_has_given_up_is_not_done_when_the_fault_is_cleared(cloud: LocalCloud) -> None:
    name, hasty = unique("policy"), iot_client(cloud, seconds=0.3)
    with cloud.fault("iot:CreatePolicy", Hang()):
        with pytest.raises(ReadTimeoutError):
            hasty.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
        hasty.close()
        time.sleep(1)  # the cloud hears of it
    time.sleep(0.3)  # what would be done now
    with pytest.raises(ClientError, match="ResourceNotFound"):
        cloud.client("iot").get_policy(policyName=name)


def test_a_rate_lets_no_more_pass_than_it_says(cloud: LocalCloud) -> None:
    rate, calls, iot = 20, 120, cloud.client("iot")
    begun = time.monotonic()
    with cloud.fault(LIST, Throttle(rate)):
        passed = sum(succeeds(iot.list_policies) for _ in range(calls))
        (throttled,) = cloud.faults()
    seconds = time.monotonic() - begun
    assert rate <= passed <= rate + rate * seconds + 1
    assert throttled.hits == calls - passed


def test_the_profile_keeps_calls_to_the_rates_of_aws(cloud: LocalCloud) -> None:
    cloud.set_faults([quota.fault for quota in AWS_QUOTAS])
    iot, begun = cloud.client("iot"), time.monotonic()
    passed = sum(succeeds(lambda: iot.list_attached_policies(target="us-east-1:0")) for _ in range(60))
    assert 15 <= passed <= 15 + 15 * (time.monotonic() - begun) + 1
    iot.list_policies()


def test_what_is_set_is_listed_in_the_order_in_which_a_call_meets_it(cloud: LocalCloud) -> None:
    faults = [Fault((LIST, "kms:Sign"), Throttle(15.5)), Fault((LIST,), Fail("A.B", 404, "No."), times=3)]
    numbers = cloud.set_faults(faults)
    assert cloud.faults() == [SetFault(number, fault) for number, fault in zip(numbers, faults, strict=True)]


def test_a_block_clears_what_it_set_and_no_more(cloud: LocalCloud) -> None:
    (kept,) = cloud.set_faults([Fault((LIST,), Throttle(1000))])
    with cloud.fault(LIST, Delay(0)):
        assert len(cloud.faults()) == 2
    assert [each.number for each in cloud.faults()] == [kept]


def test_a_wrong_fault_is_refused_and_none_is_set(cloud: LocalCloud) -> None:
    with pytest.raises(FaultError, match=r"^rate: allowed is a number of calls a second above 0$"):
        cloud.set_faults([Fault((LIST,), Hang()), Fault((LIST,), Throttle(-1))])
    assert cloud.faults() == []


@pytest.mark.parametrize(
    ("method", "query", "body", "told"),
    [
        ("POST", "", b"{", "body: allowed is JSON"),
        (
            "POST",
            "",
            b"[]",
            "body: allowed is an object with any of faults, policy_propagation_seconds, "
            "permission_propagation_seconds, execution_consistency_seconds, credentials_lifetime_seconds",
        ),
        (
            "POST",
            "",
            b'{"fault": 1}',
            "'fault': no such key; allowed are faults, policy_propagation_seconds, "
            "permission_propagation_seconds, execution_consistency_seconds, credentials_lifetime_seconds",
        ),
        ("POST", "", b'{"faults": 1}', "faults: allowed is a list of faults"),
        (
            "POST",
            "",
            b'{"policy_propagation_seconds": -1}',
            "policy_propagation_seconds: allowed is a number of seconds from 0 to 86400",
        ),
        ("DELETE", "?id=1", None, "'id': no such key; allowed are number, operation"),
        ("DELETE", "?number=x", None, "number: allowed is the number of a fault"),
        ("PUT", "", b"{}", "method PUT: allowed is GET, POST, DELETE"),
    ],
)
def test_the_address_refuses_what_it_does_not_know(
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


def succeeds(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != "ThrottlingException":
            raise
        return False
    return True


def eventually(happened: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    return happened()
