from __future__ import annotations

import json
from typing import Any

import pytest

from pubsub_cli.iam.decision import Outcome, decide
from pubsub_cli.iam.document import Policy
from pubsub_cli.iam.facts import signed_in_user
from pubsub_cli.iam.request import ANY_CLIENT_ID, Request, requests

PREFIX = "arn:aws:iot:us-east-1:123456789012"
FACTS = signed_in_user("us-east-1", "us-east-1:pool", identity_id="us-east-1:id")
PUBLISH = Request("iot:Publish", f"{PREFIX}:topic/orders")
ALLOW = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
DENY = {"Effect": "Deny", "Action": "iot:Publish", "Resource": f"{PREFIX}:topic/*"}
ELSEWHERE = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}


def policy(*statements: dict[str, Any], name: str = "the policy", version: str = "2012-10-17") -> Policy:
    return Policy.read(name, name, {"Version": version, "Statement": list(statements)})


def test_nothing_is_allowed_by_itself() -> None:
    assert decide(PUBLISH, [], FACTS).outcome is Outcome.IMPLICIT_DENY


def test_a_decision_names_the_statement_and_its_policy() -> None:
    silent, allowing = policy(ALLOW | {"Action": "s3:*"}, name="silent"), policy(ALLOW, name="allowing")
    decision = decide(PUBLISH, [silent, allowing], FACTS)
    assert decision.allowed
    assert decision.policy is allowing
    assert decision.statement
    assert json.loads(decision.statement.text) == ALLOW


def test_an_explicit_deny_wins_wherever_it_stands() -> None:
    for policies in ([policy(ALLOW), policy(DENY)], [policy(DENY, ALLOW)]):
        assert decide(PUBLISH, policies, FACTS).outcome is Outcome.EXPLICIT_DENY
    bounded = decide(PUBLISH, [policy(ALLOW)], FACTS, boundary=policy(ALLOW, DENY, name="the boundary"))
    assert bounded.outcome is Outcome.EXPLICIT_DENY
    assert bounded.policy
    assert bounded.policy.name == "the boundary"


def test_a_boundary_must_allow_too_and_grants_nothing() -> None:
    boundary = policy({"Effect": "Allow", "NotAction": "iot:*", "Resource": "*"}, name="the boundary")
    decision = decide(PUBLISH, [policy(ALLOW)], FACTS, boundary=boundary)
    assert decision.outcome is Outcome.IMPLICIT_DENY
    assert decision.policy is boundary
    assert decide(PUBLISH, [], FACTS, boundary=policy(ALLOW)).outcome is Outcome.IMPLICIT_DENY
    assert decide(PUBLISH, [policy(ALLOW)], FACTS, boundary=policy(ALLOW)).allowed


@pytest.mark.parametrize(
    ("element", "allowed"),
    [
        ({"NotAction": "iot:Subscribe"}, True),
        ({"NotAction": ["iot:Pub*"]}, False),
        ({"Action": "IOT:publish", "NotResource": f"{PREFIX}:topic/closed"}, True),
        ({"Action": "iot:Publish", "NotResource": f"{PREFIX}:topic/*"}, False),
    ],
)
def test_what_a_statement_leaves_out(element: dict[str, Any], allowed: bool) -> None:
    statement = {"Effect": "Allow", **({} if "NotResource" in element else {"Resource": "*"}), **element}
    assert decide(PUBLISH, [policy(statement)], FACTS).allowed is allowed


def test_a_condition_that_is_not_known_leaves_an_allow_undecided_and_names_the_key() -> None:
    decision = decide(PUBLISH, [policy(ALLOW | {"Condition": ELSEWHERE})], FACTS)
    assert decision.outcome is Outcome.UNDECIDED
    assert decision.unknown == ("aws:SourceVpc",)


def test_a_condition_that_is_not_known_matters_only_where_it_decides() -> None:
    uncertain_deny = policy(DENY | {"Condition": ELSEWHERE})
    assert decide(PUBLISH, [policy(ALLOW | {"Condition": ELSEWHERE}, ALLOW)], FACTS).allowed
    assert decide(PUBLISH, [policy(ALLOW), uncertain_deny], FACTS).outcome is Outcome.UNDECIDED
    assert decide(PUBLISH, [uncertain_deny], FACTS).outcome is Outcome.IMPLICIT_DENY
    assert decide(PUBLISH, [policy(ALLOW, DENY), uncertain_deny], FACTS).outcome is Outcome.EXPLICIT_DENY


def test_a_condition_that_is_not_met_allows_nothing() -> None:
    elsewhere = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    assert decide(PUBLISH, [policy(ALLOW | {"Condition": elsewhere})], FACTS).outcome is Outcome.IMPLICIT_DENY


def test_variables_stand_for_values_in_the_newer_version_alone() -> None:
    statement = ALLOW | {"Resource": f"{PREFIX}:client/${{cognito-identity.amazonaws.com:sub}}"}
    connect = Request("iot:Connect", f"{PREFIX}:client/us-east-1:id")
    assert decide(connect, [policy(statement)], FACTS).allowed
    assert not decide(connect, [policy(statement, version="2008-10-17")], FACTS).allowed


def test_a_variable_whose_value_is_not_known_is_named() -> None:
    statement = ALLOW | {"Resource": f"{PREFIX}:topic/${{cognito-identity.amazonaws.com:sub}}"}
    decision = decide(PUBLISH, [policy(statement)], signed_in_user("us-east-1", None))
    assert decision.outcome is Outcome.UNDECIDED
    assert decision.unknown == ("cognito-identity.amazonaws.com:sub",)


def test_a_front_end_connects_and_subscribes_publishes_and_receives_on_each_topic() -> None:
    assert [
        (each.action, each.resource.removeprefix(f"{PREFIX}:")) for each in requests(PREFIX, ANY_CLIENT_ID, ["orders"])
    ] == [
        ("iot:Connect", f"client/{ANY_CLIENT_ID}"),
        ("iot:Subscribe", "topicfilter/orders"),
        ("iot:Publish", "topic/orders"),
        ("iot:Receive", "topic/orders"),
    ]


def test_nobody_publishes_to_a_topic_filter_and_what_is_received_of_it_is_a_topic() -> None:
    asked = requests(PREFIX, "browser", ["orders/+/#"])
    assert [each.resource.removeprefix(f"{PREFIX}:") for each in asked] == [
        "client/browser",
        "topicfilter/orders/+/#",
        "topic/orders/some-level/some-level",
    ]
    assert [each.text for each in asked] == [
        "connect with the client id browser",
        "subscribe to orders/+/#",
        "receive messages of orders/some-level/some-level",
    ]


def test_a_document_may_be_json_and_its_only_statement_stand_in_no_list() -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": ALLOW})
    assert decide(PUBLISH, [Policy.read("the policy", "policy", document)], FACTS).allowed
