from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.faults import Fail
from pubsub_cli.aws import Aws
from pubsub_cli.checks.iot_policy_permissions import PolicyAllows
from pubsub_cli.checks.role_mapping import MappingGivesARole
from pubsub_cli.checks.role_permissions import RoleAllows
from pubsub_cli.finding import Finding, Status
from tests.integration.pubsub_cli.checks.conftest import Deployment, document, look, mend

SUB = "${cognito-identity.amazonaws.com:sub}"
NOTHING = {"Effect": "Allow", "Action": "iot:GetRetainedMessage", "Resource": "*"}


async def ask(deployment: Deployment, **options: Any) -> Finding:
    return await look(deployment.context(**options), PolicyAllows)


def as_operator_denied(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, action: str, resource: str) -> Aws:
    """Return the way to AWS of an operator who may do anything but this."""
    iam, name = deployment.aws.iam, f"operator-{uuid.uuid4().hex[:12]}"
    iam.create_user(UserName=name)
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Resource": resource},
    ]
    iam.put_user_policy(UserName=name, PolicyName="all-but", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    with monkeypatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        environment.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        aws = Aws(region=deployment.cloud.region, endpoint_url=deployment.cloud.endpoint_url)
        assert aws.has_credentials  # takes them along
        return aws


def make_versions(deployment: Deployment, *texts: str) -> None:
    for text in texts:
        deployment.aws.iot.create_policy_version(policyName=deployment.policy, policyDocument=text, setAsDefault=True)


async def test_the_policy_of_the_guide_allows_all(deployment: Deployment) -> None:
    finding = await ask(deployment, topics=("orders/1", "rooms/+/#"))
    assert finding.status is Status.PASSED
    assert finding.detail == "6 requests, by TestAuthorization"


def forbid_connecting(deployment: Deployment, *statements: dict[str, Any]) -> None:
    """Let the role of signed-in users not connect."""
    role = deployment.make_role(*statements)
    deployment.set_roles(authenticated=role)


@pytest.mark.parametrize(
    "statements",
    [
        [NOTHING],
        [
            {"Effect": "Allow", "Action": "iot:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "iot:Connect", "Resource": "*"},
        ],
    ],
    ids=["implicit", "explicit"],
)
async def test_a_denial_of_the_role_is_not_the_policys(
    deployment: Deployment, statements: list[dict[str, Any]]
) -> None:
    forbid_connecting(deployment, *statements)
    assert (await ask(deployment)).status is Status.PASSED
    of_role = await look(deployment.context(), MappingGivesARole, RoleAllows)
    assert of_role.status is Status.FAILED
    assert "connect" in str(of_role.cause)


async def test_where_both_deny_each_check_blames_its_own(deployment: Deployment) -> None:
    broken = deployment.with_policy(document(NOTHING))
    forbid_connecting(deployment, NOTHING)
    finding = await ask(broken)
    assert finding.status is Status.FAILED
    assert broken.policy in str(finding.resource)
    mend(deployment, finding)
    assert (await ask(broken)).status is Status.PASSED
    assert (await look(broken.context(), MappingGivesARole, RoleAllows)).status is Status.FAILED


async def test_a_policy_that_names_the_identity_pool_is_judged_with_it(deployment: Deployment) -> None:
    condition = {"Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": deployment.identity_pool_id}}}
    own = deployment.with_policy(document({"Effect": "Allow", "Action": "iot:*", "Resource": "*", **condition}))
    assert (await ask(own)).status is Status.PASSED
    other = own.with_policy(document(deployment.allow("client/${cognito-identity.amazonaws.com:aud}", "topic*")))
    in_pool = await ask(other, client_id=deployment.identity_pool_id)
    assert in_pool.detail == "4 requests, by TestAuthorization"
    assert (await ask(other, client_id="another")).status is Status.FAILED
    forbid_connecting(deployment, NOTHING)
    assert (await ask(other, client_id=deployment.identity_pool_id)).status is Status.PASSED


async def test_a_policy_that_is_not_attached_is_judged_as_if_it_were(deployment: Deployment) -> None:
    deployment.aws.iot.detach_policy(policyName=deployment.policy, target=deployment.identity_id)
    assert (await ask(deployment)).detail == "4 requests, by TestAuthorization"


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (lambda each: [f"{each.prefix.replace('us-east-1', 'eu-west-1')}:*"], "is of region eu-west-1, not us-east-1"),
        (lambda each: [f"{each.prefix[:-12]}999999999999:*"], "is of account 999999999999, not"),
        (lambda _: ["arn:aws:iot:us-east-1:client/*", "arn:aws:iot:us-east-1:topic/*"], "is malformed"),
        (lambda _: ["client/*", "topic/*"], "is a topic/, where AWS IoT asks iot:Subscribe for topicfilter/"),
        (lambda _: ["topic/*", "topicfilter/*"], "is a topic/, where AWS IoT asks iot:Connect for client/"),
        (lambda _: ["client/*", "topicfilter/*", "topic/orders/#"], "a + or # stands for itself"),
        (lambda _: ["client/*", "topicfilter/*", "topic/invoices/*"], "covers it"),
    ],
)
async def test_what_people_get_wrong_is_named_and_put_right(
    deployment: Deployment, resources: Callable[[Deployment], list[str]], said: str
) -> None:
    broken = deployment.with_policy(document(deployment.allow(*resources(deployment))))
    finding = await ask(broken)
    assert finding.status is Status.FAILED
    assert said in str(finding.cause)
    assert not finding.safe_commands, "it lets a policy of the team's own allow more"
    mend(deployment, finding)
    assert (await ask(broken)).status is Status.PASSED


async def test_an_action_that_is_left_out_is_named_and_put_in(deployment: Deployment) -> None:
    broken = deployment.with_policy(
        document({"Effect": "Allow", "Action": ["iot:Connect", "iot:Publish", "iot:Subscribe"], "Resource": "*"})
    )
    finding = await ask(broken)
    assert "receive messages of orders/1: the IoT policy" in str(finding.cause)
    assert "no statement of it allows iot:Receive" in str(finding.cause)
    mend(deployment, finding)
    assert (await ask(broken)).status is Status.PASSED


async def test_an_earlier_version_that_allows_all_is_put_into_effect(deployment: Deployment) -> None:
    make_versions(deployment, document(NOTHING))
    finding = await ask(deployment)
    assert finding.status is Status.FAILED
    assert "(version 2, in effect)" in str(finding.cause)
    assert finding.fix == (
        f"aws iot set-default-policy-version --policy-name {deployment.policy} --policy-version-id 1"
    )
    mend(deployment, finding)
    assert (await ask(deployment)).status is Status.PASSED


async def test_where_earlier_versions_may_not_be_read_a_new_one_mends(deployment: Deployment) -> None:
    make_versions(deployment, document(NOTHING))
    with deployment.cloud.fault("iot:GetPolicyVersion", Fail("UnauthorizedException", 401)):
        finding = await ask(deployment)
    assert finding.status is Status.FAILED
    assert str(finding.fix).startswith("aws iot create-policy-version")
    mend(deployment, finding)
    assert (await ask(deployment)).status is Status.PASSED


async def test_another_policy_that_may_not_be_read_is_left_to_aws_iot(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = deployment.with_policy(document(NOTHING))
    other = deployment.make_policy(document({"Effect": "Deny", "Action": "iot:Connect", "Resource": "*"}))
    deployment.aws.iot.attach_policy(policyName=other, target=deployment.identity_id)
    operator = as_operator_denied(deployment, monkeypatch, "iot:GetPolicy", f"{deployment.prefix}:policy/{other}")
    denied = await ask(replace(broken, aws=operator))
    assert denied.status is Status.FAILED
    assert f"naming {other}" in str(denied.cause)


async def test_what_another_policy_may_allow_that_may_not_be_read_is_not_called_denied(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = deployment.with_policy(document(NOTHING))
    other = deployment.make_policy(document(deployment.allow("*")))
    deployment.aws.iot.attach_policy(policyName=other, target=deployment.identity_id)
    operator = as_operator_denied(deployment, monkeypatch, "iot:GetPolicy", f"{deployment.prefix}:policy/{other}")
    assert (await ask(replace(broken, aws=operator))).status is Status.PASSED
    not_asked = deployment.cloud.fault("iot:TestAuthorization", Fail("UnauthorizedException", 401))
    with not_asked, pytest.raises(ClientError, match="GetPolicy"):
        await ask(replace(broken, aws=operator))


async def test_the_oldest_of_five_versions_makes_room(deployment: Deployment) -> None:
    broken = deployment.with_policy(document(NOTHING))
    make_versions(broken, *[document(NOTHING)] * 4)
    finding = await ask(broken)
    first, second = str(finding.fix).splitlines()
    assert first == f"aws iot delete-policy-version --policy-name {broken.policy} --policy-version-id 1 &&"
    assert second.startswith("aws iot create-policy-version")
    mend(deployment, finding)
    assert (await ask(broken)).status is Status.PASSED


async def test_a_statement_that_denies_is_quoted_and_goes(deployment: Deployment) -> None:
    deny = {"Effect": "Deny", "Action": "iot:Subscribe", "Resource": "*"}
    allow = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    broken = deployment.with_policy(document(allow, deny))
    finding = await ask(broken)
    assert f"denies it: {json.dumps(deny, separators=(',', ':'))}" in str(finding.cause)
    mend(deployment, finding)
    assert (await ask(broken)).status is Status.PASSED


async def test_another_policy_that_denies_is_detached(deployment: Deployment) -> None:
    other = deployment.make_policy(document({"Effect": "Deny", "Action": "iot:Connect", "Resource": "*"}))
    deployment.aws.iot.attach_policy(policyName=other, target=deployment.identity_id)
    finding = await ask(deployment)
    assert finding.status is Status.FAILED
    assert f"the IoT policy {other}" in str(finding.cause)
    assert finding.fix == f"aws iot detach-policy --policy-name {other} --target {deployment.identity_id}"
    mend(deployment, finding)
    assert (await ask(deployment)).status is Status.PASSED


async def test_a_policy_for_the_identity_id_as_client_id_wants_it_of_the_front_end(deployment: Deployment) -> None:
    narrow = deployment.with_policy(
        document(deployment.allow(f"client/{SUB}", action="iot:Connect"), deployment.allow("topic/*", "topicfilter/*"))
    )
    finding = await ask(narrow)
    assert finding.status is Status.FAILED
    assert "give Amplify PubSub that clientId" in str(finding.cause)
    assert "clientId" in str(finding.fix)
    assert (await ask(narrow, client_id=narrow.identity_id)).status is Status.PASSED


async def test_without_an_identity_a_variable_is_no_failure(deployment: Deployment) -> None:
    narrow = deployment.with_policy(document(deployment.allow(f"client/{SUB}", "topic/*", "topicfilter/*")))
    finding = await ask(narrow, identity=False, user=False)
    assert finding.status is Status.PASSED
    assert "it turns on cognito-identity.amazonaws.com:sub: ask about a user" in str(finding.detail)


async def test_without_an_identity_the_documents_decide(deployment: Deployment) -> None:
    assert (await ask(deployment, identity=False, user=False)).detail == "4 requests, by the documents"
    broken = deployment.with_policy(document(NOTHING))
    assert (await ask(broken, identity=False, user=False)).status is Status.FAILED


async def test_a_condition_that_is_not_known_here_is_told_and_not_guessed(deployment: Deployment) -> None:
    condition = {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
    allow = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    finding = await ask(deployment.with_policy(document(allow | condition)))
    assert finding.status is Status.WARNING
    assert "it turns on aws:SourceIp" in str(finding.cause)


async def test_where_no_topic_is_known_connecting_alone_is_asked_about(deployment: Deployment) -> None:
    restricted = deployment.allow("client/*", "topic/orders/*", "topicfilter/orders/*")
    narrow = deployment.with_policy(document(restricted))
    finding = await ask(narrow, topics=())
    assert finding.status is Status.PASSED
    assert finding.detail == "connecting alone, for --topic is not given, by TestAuthorization"
    broken = narrow.with_policy(document(deployment.allow("topic/orders/*", "topicfilter/orders/*")))
    finding = await ask(broken, topics=())
    assert finding.status is Status.FAILED
    mend(deployment, finding)
    assert (await ask(broken, topics=())).status is Status.PASSED
    assert "pubsub-check" not in str(finding.fix)


async def test_no_policy_named_and_none_attached_is_nothing_to_ask_about(deployment: Deployment) -> None:
    deployment.aws.iot.detach_policy(policyName=deployment.policy, target=deployment.identity_id)
    assert (await ask(deployment, policy=False)).not_applicable


async def test_the_documents_decide_where_aws_iot_may_not_be_asked(deployment: Deployment) -> None:
    with deployment.cloud.fault("iot:TestAuthorization", Fail("UnauthorizedException", 401)):
        good = await ask(deployment)
        bad = await ask(deployment.with_policy(document(NOTHING)))
    assert good.detail == "4 requests, by the documents alone (TestAuthorization answered UnauthorizedException)"
    assert bad.status is Status.FAILED
