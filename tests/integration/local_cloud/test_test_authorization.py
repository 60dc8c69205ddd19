from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import ALLOW_IOT, Account, allow, document, make_iot_policy, unique

SUB = "${cognito-identity.amazonaws.com:sub}"


@pytest.fixture
def iot(account: Account) -> Any:
    return account.cloud.client("iot")


@pytest.fixture
def identity_id(account: Account) -> str:
    return f"{account.cloud.region}:{uuid.uuid4()}"


def statement(account: Account, effect: str, action: str, *resources: str) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": [account.arn(each) for each in resources]}


def authorize(account: Account, identity_id: str, action: str, *resources: str, **options: Any) -> Any:
    info: Any = {"actionType": action, "resources": [account.arn(each) for each in resources]}
    answer = account.cloud.client("iot").test_authorization(principal=identity_id, authInfos=[info], **options)
    (result,) = answer["authResults"]
    return result


def decision(*arguments: Any, **options: Any) -> str:
    return str(authorize(*arguments, **options)["authDecision"])


def test_denial_overrides_other_policies_and_is_named(account: Account, identity_id: str) -> None:
    account.attach(identity_id, ALLOW_IOT)
    denying = account.attach(identity_id, statement(account, "Deny", "iot:Receive", "topic/closed"))
    result = authorize(account, identity_id, "RECEIVE", "topic/closed")
    assert result["authDecision"] == "EXPLICIT_DENY"
    assert result["authInfo"] == {"actionType": "RECEIVE", "resources": [account.arn("topic/closed")]}
    assert [each["policyName"] for each in result["denied"]["explicitDeny"]["policies"]] == [denying]


def test_every_resource_must_be_allowed(account: Account, identity_id: str) -> None:
    account.attach(identity_id, statement(account, "Allow", "iot:Subscribe", "topicfilter/a/#"))
    assert decision(account, identity_id, "SUBSCRIBE", "topicfilter/a/#", "topicfilter/b") == "IMPLICIT_DENY"
    account.attach(identity_id, statement(account, "Allow", "iot:Subscribe", "topicfilter/b"))
    assert decision(account, identity_id, "SUBSCRIBE", "topicfilter/a/#", "topicfilter/b") == "ALLOWED"


def test_variables_without_a_value_are_reported(account: Account, identity_id: str) -> None:
    client_id = "${iot:ClientId}"
    account.attach(
        identity_id,
        statement(account, "Allow", "iot:Connect", f"client/{SUB}"),
        statement(account, "Allow", "iot:Publish", f"topic/{client_id}"),
    )
    assert decision(account, identity_id, "CONNECT", f"client/{identity_id}") == "ALLOWED"
    without = authorize(account, identity_id, "PUBLISH", "topic/browser")
    assert (without["authDecision"], without["missingContextValues"]) == ("IMPLICIT_DENY", ["iot:ClientId"])
    given = authorize(account, identity_id, "PUBLISH", "topic/browser", clientId="browser")
    assert (given["authDecision"], given["missingContextValues"]) == ("ALLOWED", [])


def test_condition_keys_without_a_value_are_reported(account: Account, identity_id: str) -> None:
    pool_id = account.make_identity_pool()
    condition = {"Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": pool_id}}}
    account.attach(identity_id, statement(account, "Allow", "iot:Connect", "client/any") | condition)
    without = authorize(account, identity_id, "CONNECT", "client/any")
    assert without["authDecision"] == "IMPLICIT_DENY"
    assert without["missingContextValues"] == ["cognito-identity.amazonaws.com:aud"]
    given = authorize(account, identity_id, "CONNECT", "client/any", cognitoIdentityPoolId=pool_id)
    assert (given["authDecision"], given["missingContextValues"]) == ("ALLOWED", [])


def test_policies_are_added_by_name(account: Account, iot: Any, identity_id: str) -> None:
    unattached = make_iot_policy(account.cloud, ALLOW_IOT)
    assert decision(account, identity_id, "CONNECT", "client/any") == "IMPLICIT_DENY"
    assert decision(account, identity_id, "CONNECT", "client/any", policyNamesToAdd=[unattached]) == "ALLOWED"
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        authorize(account, identity_id, "CONNECT", "client/any", policyNamesToAdd=[unique("missing")])


def test_default_version_decides(account: Account, iot: Any, identity_id: str) -> None:
    name = account.attach(identity_id, ALLOW_IOT)
    other = document(statement(account, "Allow", "iot:Connect", "client/other"))
    iot.create_policy_version(policyName=name, policyDocument=other, setAsDefault=True)
    assert decision(account, identity_id, "CONNECT", "client/any") == "IMPLICIT_DENY"


@pytest.mark.parametrize(
    "changed",
    [
        {"principal": "invalid"},
        {"principal": None},
        {"authInfos": [{"actionType": "DELETE", "resources": ["*"]}]},
        {"authInfos": [{"actionType": "CONNECT", "resources": []}]},
        {"authInfos": [{"actionType": "CONNECT", "resources": ["x" * 2049]}]},
        {"authInfos": [{"actionType": "CONNECT", "resources": ["*"]}] * 11},
        {"cognitoIdentityPoolId": "us-east-1:missing"},
    ],
)
def test_invalid_request_is_rejected(iot: Any, identity_id: str, changed: dict[str, Any]) -> None:
    valid: dict[str, Any] = {"principal": identity_id, "authInfos": [{"actionType": "CONNECT", "resources": ["*"]}]}
    iot.test_authorization(**valid)
    request = {name: value for name, value in (valid | changed).items() if value is not None}
    with pytest.raises(iot.exceptions.InvalidRequestException):
        iot.test_authorization(**request)


def test_role_and_policies_must_both_allow_if_the_identity_pool_is_given(account: Account, identity_id: str) -> None:
    pool_id = account.make_identity_pool()
    pool = {"cognitoIdentityPoolId": pool_id}
    assert decision(account, identity_id, "CONNECT", "client/any", **pool) == "IMPLICIT_DENY"
    account.attach(identity_id, ALLOW_IOT)
    assert decision(account, identity_id, "CONNECT", "client/any", **pool) == "ALLOWED"
    deny = document({"Effect": "Deny", "Action": "iot:Connect", "Resource": "*"})
    role = account.authenticated_role(pool_id)
    account.cloud.client("iam").put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=deny)
    assert decision(account, identity_id, "CONNECT", "client/any", **pool) == "EXPLICIT_DENY"
    assert decision(account, identity_id, "PUBLISH", "topic/any", **pool) == "ALLOWED"
    assert decision(account, identity_id, "CONNECT", "client/any") == "ALLOWED"


def test_request_needs_a_permission(account: Account, identity_id: str) -> None:
    iot = account.client_that_may("iot", allow("iot:GetPolicy"))
    with pytest.raises(ClientError, match="iot:TestAuthorization"):
        iot.test_authorization(principal=identity_id, authInfos=[{"actionType": "CONNECT", "resources": ["*"]}])
