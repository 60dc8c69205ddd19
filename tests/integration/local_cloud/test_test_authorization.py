from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import ALLOW_IOT, Account, allow, document, unique

SUB = "${cognito-identity.amazonaws.com:sub}"


@pytest.fixture
def iot(account: Account) -> Any:
    return account.cloud.client("iot")


@pytest.fixture
def identity_id(account: Account) -> str:
    return f"{account.cloud.region}:{uuid.uuid4()}"


def policy(iot: Any, *statements: dict[str, Any], target: str | None = None) -> str:
    name = unique("policy")
    iot.create_policy(policyName=name, policyDocument=document(*statements))
    if target:
        iot.attach_policy(policyName=name, target=target)
    return name


def statement(account: Account, effect: str, action: str, *resources: str) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": [account.arn(each) for each in resources]}


def ask(account: Account, identity_id: str, action: str, *resources: str, **options: Any) -> Any:
    question: Any = {"actionType": action, "resources": [account.arn(each) for each in resources]}
    answer = account.cloud.client("iot").test_authorization(principal=identity_id, authInfos=[question], **options)
    (result,) = answer["authResults"]
    return result


def names(policies: Any) -> set[str]:
    return {each["policyName"] for each in policies["policies"]}


def test_identity_without_a_policy_is_denied(account: Account, identity_id: str) -> None:
    result = ask(account, identity_id, "CONNECT", "client/any")
    assert result["authDecision"] == "IMPLICIT_DENY"
    assert result["authInfo"] == {"actionType": "CONNECT", "resources": [account.arn("client/any")]}


def test_answer_names_the_policies_that_allow_and_those_that_do_not(
    account: Account, iot: Any, identity_id: str
) -> None:
    allowing = policy(iot, statement(account, "Allow", "iot:Publish", "topic/a/*"), target=identity_id)
    silent = policy(iot, statement(account, "Allow", "iot:Connect", "client/*"), target=identity_id)
    result = ask(account, identity_id, "PUBLISH", "topic/a/b")
    assert result["authDecision"] == "ALLOWED"
    assert names(result["allowed"]) == {allowing}
    assert names(result["denied"]["implicitDeny"]) == {silent}
    (named,) = result["allowed"]["policies"]
    assert named["policyArn"] == iot.get_policy(policyName=allowing)["policyArn"]


def test_denial_wins_and_is_named(account: Account, iot: Any, identity_id: str) -> None:
    policy(iot, ALLOW_IOT, target=identity_id)
    denying = policy(iot, statement(account, "Deny", "iot:Receive", "topic/closed"), target=identity_id)
    result = ask(account, identity_id, "RECEIVE", "topic/closed")
    assert result["authDecision"] == "EXPLICIT_DENY"
    assert names(result["denied"]["explicitDeny"]) == {denying}


def test_decision_needs_every_resource_to_be_allowed(account: Account, iot: Any, identity_id: str) -> None:
    policy(iot, statement(account, "Allow", "iot:Subscribe", "topicfilter/a/#"), target=identity_id)
    assert ask(account, identity_id, "SUBSCRIBE", "topicfilter/a/#", "topicfilter/b")["authDecision"] == "IMPLICIT_DENY"
    policy(iot, statement(account, "Allow", "iot:Subscribe", "topicfilter/b"), target=identity_id)
    assert ask(account, identity_id, "SUBSCRIBE", "topicfilter/a/#", "topicfilter/b")["authDecision"] == "ALLOWED"


def test_variables_without_a_value_are_reported(account: Account, iot: Any, identity_id: str) -> None:
    client_id = "${iot:ClientId}"
    policy(
        iot,
        statement(account, "Allow", "iot:Connect", f"client/{SUB}"),
        statement(account, "Allow", "iot:Publish", f"topic/{client_id}"),
        target=identity_id,
    )
    assert ask(account, identity_id, "CONNECT", f"client/{identity_id}")["authDecision"] == "ALLOWED"
    without = ask(account, identity_id, "PUBLISH", "topic/browser")
    assert without["authDecision"] == "IMPLICIT_DENY"
    assert without["missingContextValues"] == ["iot:ClientId"]
    given = ask(account, identity_id, "PUBLISH", "topic/browser", clientId="browser")
    assert given["authDecision"] == "ALLOWED"
    assert given["missingContextValues"] == []


def test_condition_key_without_a_value_is_reported(account: Account, iot: Any, identity_id: str) -> None:
    pool_id = account.make_identity_pool()
    condition = {"Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": pool_id}}}
    policy(iot, statement(account, "Allow", "iot:Connect", "client/any") | condition, target=identity_id)
    without = ask(account, identity_id, "CONNECT", "client/any")
    assert without["authDecision"] == "IMPLICIT_DENY"
    assert without["missingContextValues"] == ["cognito-identity.amazonaws.com:aud"]
    given = ask(account, identity_id, "CONNECT", "client/any", cognitoIdentityPoolId=pool_id)
    assert (given["authDecision"], given["missingContextValues"]) == ("ALLOWED", [])


def test_wildcard_in_a_request_stands_for_itself(account: Account, iot: Any, identity_id: str) -> None:
    policy(iot, statement(account, "Allow", "iot:Connect", "client/${iot:ClientId}"), target=identity_id)
    assert ask(account, identity_id, "CONNECT", "client/*", clientId="*")["authDecision"] == "ALLOWED"
    assert ask(account, identity_id, "CONNECT", "client/any", clientId="*")["authDecision"] == "IMPLICIT_DENY"


def test_policies_are_added_and_skipped_by_name(account: Account, iot: Any, identity_id: str) -> None:
    attached = policy(iot, ALLOW_IOT, target=identity_id)
    loose = policy(iot, ALLOW_IOT)
    skipped = ask(account, identity_id, "CONNECT", "client/any", policyNamesToSkip=[attached])
    added = ask(
        account,
        identity_id,
        "CONNECT",
        "client/any",
        policyNamesToSkip=[attached],
        policyNamesToAdd=[loose],
    )
    assert skipped["authDecision"] == "IMPLICIT_DENY"
    assert names(added["allowed"]) == {loose}


def test_default_version_decides(account: Account, iot: Any, identity_id: str) -> None:
    name = policy(iot, ALLOW_IOT, target=identity_id)
    nothing = document(statement(account, "Allow", "iot:Connect", "client/nobody"))
    iot.create_policy_version(policyName=name, policyDocument=nothing, setAsDefault=True)
    assert ask(account, identity_id, "CONNECT", "client/any")["authDecision"] == "IMPLICIT_DENY"


def test_missing_policy_is_not_found(account: Account, iot: Any, identity_id: str) -> None:
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        ask(account, identity_id, "CONNECT", "client/any", policyNamesToAdd=["nobody-made-it"])


@pytest.mark.parametrize(
    "changed",
    [
        {"principal": "somebody"},
        {"principal": None},
        {"authInfos": [{"actionType": "DELETE", "resources": ["*"]}]},
        {"authInfos": [{"actionType": "CONNECT", "resources": []}]},
        {"authInfos": [{"actionType": "CONNECT", "resources": ["x" * 2049]}]},
        {"authInfos": [{"actionType": "CONNECT", "resources": ["*"]}] * 11},
    ],
)
def test_invalid_request_is_refused(iot: Any, identity_id: str, changed: dict[str, Any]) -> None:
    valid: dict[str, Any] = {
        "principal": identity_id,
        "authInfos": [{"actionType": "CONNECT", "resources": ["*"]}],
    }
    iot.test_authorization(**valid)
    asked = {name: value for name, value in (valid | changed).items() if value is not None}
    with pytest.raises(iot.exceptions.InvalidRequestException):
        iot.test_authorization(**asked)


def test_authenticated_role_of_the_identity_pool_decides_too(account: Account, iot: Any, identity_id: str) -> None:
    pool_id = account.make_identity_pool()
    policy(iot, ALLOW_IOT, target=identity_id)
    pool = {"cognitoIdentityPoolId": pool_id}
    assert ask(account, identity_id, "CONNECT", "client/any", **pool)["authDecision"] == "ALLOWED"
    deny = document({"Effect": "Deny", "Action": "iot:Connect", "Resource": "*"})
    role = account.authenticated_role(pool_id)
    account.cloud.client("iam").put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=deny)
    assert ask(account, identity_id, "CONNECT", "client/any", **pool)["authDecision"] == "EXPLICIT_DENY"
    assert ask(account, identity_id, "PUBLISH", "topic/any", **pool)["authDecision"] == "ALLOWED"
    assert ask(account, identity_id, "CONNECT", "client/any")["authDecision"] == "ALLOWED"


def test_policies_decide_with_an_identity_pool_too(account: Account, identity_id: str) -> None:
    pool = {"cognitoIdentityPoolId": account.make_identity_pool()}
    assert ask(account, identity_id, "CONNECT", "client/any", **pool)["authDecision"] == "IMPLICIT_DENY"


def test_identity_pool_without_identity_stands_for_its_guests(account: Account, iot: Any) -> None:
    asked: Any = {
        "cognitoIdentityPoolId": account.guest_identity_pool_id,
        "authInfos": [{"actionType": "CONNECT", "resources": [account.arn("client/any")]}],
    }
    assert iot.test_authorization(**asked)["authResults"][0]["authDecision"] == "ALLOWED"
    no_guests = asked | {"cognitoIdentityPoolId": account.make_identity_pool()}
    assert iot.test_authorization(**no_guests)["authResults"][0]["authDecision"] == "IMPLICIT_DENY"


def test_missing_identity_pool_is_refused(account: Account, iot: Any, identity_id: str) -> None:
    nowhere = f"{account.cloud.region}:{uuid.uuid4()}"
    with pytest.raises(iot.exceptions.InvalidRequestException):
        ask(account, identity_id, "CONNECT", "client/any", cognitoIdentityPoolId=nowhere)


def test_request_needs_a_permission(account: Account, identity_id: str) -> None:
    iot = account.client_that_may("iot", allow("iot:GetPolicy"))
    with pytest.raises(ClientError, match="iot:TestAuthorization"):
        iot.test_authorization(principal=identity_id, authInfos=[{"actionType": "CONNECT", "resources": ["*"]}])
