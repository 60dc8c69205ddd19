from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.faults import FaultError
from tests.integration.local_cloud.account import ALLOW_IOT, Credentials, document, make_function, make_role, unique

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.local_cloud.account import Account

SECONDS = 1.5
_ALLOW_LIST = {"Effect": "Allow", "Action": "iot:ListPolicies", "Resource": "*"}
_ALLOW_NOTHING = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}


@pytest.fixture
def slow_account(account: Account) -> Iterator[Account]:
    """The account on a cloud whose new permissions act late."""
    account.cloud.permission_propagation_seconds = SECONDS
    yield account
    account.cloud.clear_faults()


def _role(account: Account, statement: dict[str, Any]) -> tuple[str, Callable[[], bool]]:
    """Make a role, and return its name and whether it may list policies."""
    cloud = account.cloud
    arn = make_role(cloud, statement, trusts={"AWS": f"arn:aws:iam::{cloud.account_id}:root"})
    answer = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    credentials = Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
    iot = account.client("iot", credentials)

    def may_list() -> bool:
        try:
            iot.list_policies()
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDeniedException":
                raise
            return False
        return True

    return arn.rpartition("/")[2], may_list


def _seconds_until(happens: Callable[[], bool], since: float) -> float:
    while time.monotonic() < since + SECONDS + 20:
        if happens():
            return time.monotonic() - since
        time.sleep(0.05)
    pytest.fail("it did not happen")


def test_a_new_inline_policy_acts_after_the_delay(slow_account: Account) -> None:
    before = time.monotonic()
    _, may_list = _role(slow_account, _ALLOW_LIST)
    assert _seconds_until(may_list, before) >= SECONDS


def test_an_attached_policy_acts_after_the_delay(slow_account: Account) -> None:
    name, may_list = _role(slow_account, _ALLOW_NOTHING)
    before = time.monotonic()
    attach = slow_account.cloud.client("iam").attach_role_policy
    attach(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AWSIoTConfigAccess")
    assert _seconds_until(may_list, before) >= SECONDS


def test_a_changed_policy_acts_as_before_until_then_and_a_deleted_one_ends_at_once(slow_account: Account) -> None:
    slow_account.cloud.permission_propagation_seconds = 0
    name, may_list = _role(slow_account, _ALLOW_LIST)
    slow_account.cloud.permission_propagation_seconds = SECONDS
    assert may_list()  # from before
    iam = slow_account.cloud.client("iam")
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    before = time.monotonic()
    iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document(_ALLOW_NOTHING))
    assert may_list()
    assert _seconds_until(lambda: not may_list(), before) >= SECONDS
    iam.put_role_policy(RoleName=name, PolicyName="other", PolicyDocument=document(_ALLOW_LIST))
    iam.delete_role_policy(RoleName=name, PolicyName="other")
    time.sleep(SECONDS)
    assert not may_list()


def test_permissions_that_cloudformation_makes_act_after_the_delay(slow_account: Account) -> None:
    name, may_list = _role(slow_account, _ALLOW_NOTHING)
    formation = slow_account.cloud.client("cloudformation")
    properties = {"PolicyName": "made", "Roles": [name], "PolicyDocument": json.loads(document(_ALLOW_LIST))}
    template = {"Resources": {"Policy": {"Type": "AWS::IAM::Policy", "Properties": properties}}}
    stack = unique("stack")
    before = time.monotonic()
    formation.create_stack(StackName=stack, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
    # Nobody asks meanwhile: the time counts from the change, not from the first question.
    time.sleep(before + SECONDS + 1 - time.monotonic())
    assert may_list()


def test_cdks_provider_framework_waits_for_its_permission(slow_account: Account) -> None:
    cloud = slow_account.cloud
    other = make_function(cloud, "def handler(event, context): return 'called'")
    may = {"Effect": "Allow", "Action": ["lambda:GetFunction", "lambda:InvokeFunction"], "Resource": other}
    calling = f"""
const {{ Lambda, waitUntilFunctionActiveV2 }} = require("@aws-sdk/client-lambda");
exports.handler = async () => {{
  const client = new Lambda({{}}), request = {{ FunctionName: "{other}", Payload: "{{}}" }};
  try {{ await client.invoke(request); return "at once"; }}
  catch {{ await waitUntilFunctionActiveV2({{ client, maxWaitTime: 60 }}, {{ FunctionName: "{other}" }}); }}
  return Buffer.from((await client.invoke(request)).Payload).toString();
}};
"""
    before = time.monotonic()
    function = make_function(cloud, calling, timeout=60, node=True, may=may)
    answer = cloud.client("lambda").invoke(FunctionName=function, Payload=b"{}")
    assert json.loads(json.load(answer["Payload"])) == "called"
    assert time.monotonic() - before >= SECONDS


def test_it_is_off_unless_set_and_what_waits_acts_when_it_is_set_anew(account: Account) -> None:
    account.cloud.clear_faults()
    assert account.cloud.permission_propagation_seconds == 0
    account.cloud.permission_propagation_seconds = 3600
    try:
        _, may_list = _role(account, ALLOW_IOT)
        assert not may_list()
        account.cloud.permission_propagation_seconds = 1800
        assert may_list()
        with pytest.raises(FaultError, match=r"^permission_propagation_seconds: allowed is a number of seconds"):
            account.cloud.permission_propagation_seconds = -1
    finally:
        account.cloud.clear_faults()
