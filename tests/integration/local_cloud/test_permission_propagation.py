from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.faults import FaultError
from tests.integration.local_cloud.account import Account, Credentials, document, make_function, make_role, unique
from tests.integration.local_cloud.state_machine import wait_until

AN_HOUR = 3600.0
_ALLOW_LIST = {"Effect": "Allow", "Action": "iot:ListPolicies", "Resource": "*"}
_ALLOW_NOTHING = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}


@pytest.fixture
def slow_account(account: Account) -> Iterator[Account]:
    """The account on a cloud whose new permissions act in an hour, or when the delay is set anew."""
    account.cloud.permission_propagation_seconds = AN_HOUR
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


def _let_an_hour_pass(account: Account) -> None:
    """Set the delay anew, so that what waits acts."""
    account.cloud.permission_propagation_seconds = AN_HOUR


def test_a_new_inline_policy_acts_after_the_delay(slow_account: Account) -> None:
    slow_account.cloud.permission_propagation_seconds = 0.5
    before = time.monotonic()
    _, may_list = _role(slow_account, _ALLOW_LIST)
    while not may_list():
        assert time.monotonic() < before + 20
        time.sleep(0.1)
    assert time.monotonic() - before >= 0.5


def test_an_attached_policy_waits(slow_account: Account) -> None:
    name, may_list = _role(slow_account, _ALLOW_NOTHING)
    attach = slow_account.cloud.client("iam").attach_role_policy
    attach(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AWSIoTConfigAccess")
    assert not may_list()
    _let_an_hour_pass(slow_account)
    assert may_list()


def test_a_changed_policy_acts_as_before_until_then_and_a_deleted_one_ends_at_once(slow_account: Account) -> None:
    name, may_list = _role(slow_account, _ALLOW_LIST)
    _let_an_hour_pass(slow_account)
    iam = slow_account.cloud.client("iam")
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document(_ALLOW_NOTHING))
    assert may_list()
    iam.put_role_policy(RoleName=name, PolicyName="other", PolicyDocument=document(_ALLOW_LIST))
    _let_an_hour_pass(slow_account)
    assert may_list()  # by the other one
    iam.delete_role_policy(RoleName=name, PolicyName="other")
    assert not may_list()


def test_permissions_that_cloudformation_makes_wait_from_the_change_on(slow_account: Account) -> None:
    slow_account.cloud.permission_propagation_seconds = 0.5
    name, may_list = _role(slow_account, _ALLOW_NOTHING)
    formation = slow_account.cloud.client("cloudformation")
    properties = {"PolicyName": "made", "Roles": [name], "PolicyDocument": json.loads(document(_ALLOW_LIST))}
    template = {"Resources": {"Policy": {"Type": "AWS::IAM::Policy", "Properties": properties}}}
    stack = unique("stack")
    formation.create_stack(StackName=stack, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
    wait_until(lambda: formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    # Nobody asks meanwhile: the time counts from the change, not from the first question.
    time.sleep(0.6)
    assert may_list()


def test_cdks_provider_framework_waits_for_its_permission(slow_account: Account) -> None:
    cloud = slow_account.cloud
    cloud.permission_propagation_seconds = 1.5
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
    assert time.monotonic() - before >= 1.5


def test_it_is_off_unless_set(account: Account) -> None:
    account.cloud.clear_faults()
    assert account.cloud.permission_propagation_seconds == 0
    _, may_list = _role(account, _ALLOW_LIST)
    assert may_list()


def test_a_delay_that_is_none_is_refused(account: Account) -> None:
    with pytest.raises(FaultError, match=r"^permission_propagation_seconds: allowed is a number of seconds"):
        account.cloud.permission_propagation_seconds = -1
