from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import (
    ALLOW_IOT,
    Account,
    Credentials,
    Identity,
    document,
    make_function,
    make_role,
    make_stack,
    unique,
)
from tests.integration.local_cloud.mqtt import connected, websocket

_AN_HOUR = 3600.0
_ALLOW_LIST = {"Effect": "Allow", "Action": "iot:ListPolicies", "Resource": "*"}
_ALLOW_NOTHING = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}


@pytest.fixture(autouse=True)
def reset_delays(cloud: LocalCloud) -> Iterator[None]:
    yield
    cloud.clear_faults()


@pytest.fixture
def user(account: Account) -> Identity:
    return account.user()


def _connects(account: Account, user: Identity) -> bool:
    with websocket(account.cloud, user.credentials) as mqtt:
        return mqtt.connect(unique("client")) == 0


def _publishes(account: Account, user: Identity) -> bool:
    try:
        account.client("iot-data", user.credentials).publish(topic="orders/1", payload=b"{}")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ForbiddenException":
            raise
        return False
    return True


@pytest.mark.parametrize("allows", [_connects, _publishes])
def test_attachment_acts_when_the_delay_is_cleared(
    account: Account, user: Identity, allows: Callable[[Account, Identity], bool]
) -> None:
    account.cloud.policy_propagation_seconds = _AN_HOUR
    account.attach(user.identity_id, ALLOW_IOT)
    assert not allows(account, user)
    account.cloud.clear_faults()
    assert account.cloud.policy_propagation_seconds == 0
    assert allows(account, user)


def test_detached_and_deleted_policy_acts_until_the_delay_ends(account: Account, user: Identity) -> None:
    iot, name = account.cloud.client("iot"), account.attach(user.identity_id, ALLOW_IOT)
    account.cloud.policy_propagation_seconds = _AN_HOUR
    with connected(account.cloud, user.credentials, unique("client")) as mqtt:
        iot.detach_policy(policyName=name, target=user.identity_id)
        iot.delete_policy(policyName=name)
        assert mqtt.publish("orders/1") == 0
        account.cloud.clear_faults()
        assert mqtt.publish("orders/1") is None


def test_default_version_of_a_policy_acts_after_the_delay(account: Account, user: Identity) -> None:
    deny = {"Effect": "Deny", "Action": "iot:*", "Resource": "*"}
    iot, name = account.cloud.client("iot"), account.attach(user.identity_id, deny)
    account.cloud.policy_propagation_seconds = _AN_HOUR
    iot.create_policy_version(policyName=name, policyDocument=document(ALLOW_IOT), setAsDefault=True)
    assert not _connects(account, user)
    account.cloud.policy_propagation_seconds = _AN_HOUR  # setting a delay ends the previous one
    assert _connects(account, user)
    iot.set_default_policy_version(policyName=name, policyVersionId="1")
    assert _connects(account, user)
    account.cloud.clear_faults()
    assert not _connects(account, user)


def _role(account: Account, statement: dict[str, Any]) -> tuple[str, Callable[[], bool]]:
    """Create a role and return its name and a function that says whether it may list policies."""
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


def test_attached_role_policy_acts_after_the_delay(account: Account) -> None:
    account.cloud.permission_propagation_seconds = _AN_HOUR
    name, may_list = _role(account, _ALLOW_NOTHING)
    attach = account.cloud.client("iam").attach_role_policy
    attach(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AWSIoTConfigAccess")
    assert not may_list()
    account.cloud.permission_propagation_seconds = _AN_HOUR
    assert may_list()


def test_changed_role_policy_acts_late_and_a_deletion_at_once(account: Account) -> None:
    account.cloud.permission_propagation_seconds = _AN_HOUR
    name, may_list = _role(account, _ALLOW_LIST)
    assert not may_list()
    account.cloud.permission_propagation_seconds = _AN_HOUR
    iam = account.cloud.client("iam")
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document(_ALLOW_NOTHING))
    assert may_list()
    iam.put_role_policy(RoleName=name, PolicyName="other", PolicyDocument=document(_ALLOW_LIST))
    account.cloud.permission_propagation_seconds = _AN_HOUR
    assert may_list()  # the other policy allows it
    iam.delete_role_policy(RoleName=name, PolicyName="other")
    assert not may_list()


def test_delay_begins_when_cloudformation_changes_the_policy(account: Account) -> None:
    account.cloud.permission_propagation_seconds = 0.5
    name, may_list = _role(account, _ALLOW_NOTHING)
    properties = {"PolicyName": "list", "Roles": [name], "PolicyDocument": json.loads(document(_ALLOW_LIST))}
    make_stack(account.cloud, Policy={"Type": "AWS::IAM::Policy", "Properties": properties})
    time.sleep(0.6)  # no request in between, which could start the delay
    assert may_list()


def test_cdk_provider_framework_waits_for_its_permission(account: Account) -> None:
    cloud = account.cloud
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
