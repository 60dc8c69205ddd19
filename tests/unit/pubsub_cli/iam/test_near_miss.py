from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.iam.decision import decide
from pubsub_cli.iam.document import Policy
from pubsub_cli.iam.facts import signed_in_user
from pubsub_cli.iam.near_miss import near_misses
from pubsub_cli.iam.request import ANY_CLIENT_ID, Request

PREFIX = "arn:aws:iot:us-east-1:123456789012"
FACTS = signed_in_user("us-east-1", "us-east-1:pool", identity_id="us-east-1:id")
CONNECT = Request("iot:Connect", f"{PREFIX}:client/{ANY_CLIENT_ID}")
SUBSCRIBE = Request("iot:Subscribe", f"{PREFIX}:topicfilter/orders/1")
PUBLISH = Request("iot:Publish", f"{PREFIX}:topic/orders/1")


def policy(resource: str | list[str], version: str = "2012-10-17", **more: Any) -> Policy:
    statement = {"Effect": "Allow", "Action": "iot:*", "Resource": resource, **more}
    return Policy.read("the policy", "policy", {"Version": version, "Statement": [statement]})


@pytest.mark.parametrize(
    ("request_", "resource", "said", "corrected"),
    [
        (PUBLISH, "arn:aws:iot:eu-west-1:123456789012:topic/*", "region eu-west-1, not us-east-1", f"{PREFIX}:topic/*"),
        (PUBLISH, "arn:aws:iot:us-east-1:999999999999:topic/*", "account 999999999999, not 123", f"{PREFIX}:topic/*"),
        (PUBLISH, "arn:aws-cn:iot:us-east-1:123456789012:topic/*", "partition aws-cn, not aws", f"{PREFIX}:topic/*"),
        (
            PUBLISH,
            "arn:aws:iot:eu-west-1:999999999999:topic/*",
            "region eu-west-1, not us-east-1 and account 999999999999, not 123456789012",
            f"{PREFIX}:topic/*",
        ),
        (PUBLISH, "arn:aws:iot:us-east-1:topic/orders/*", "malformed", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, "orders/*", "malformed", f"{PREFIX}:topic/orders/*"),
        (SUBSCRIBE, f"{PREFIX}:topic/orders/*", "is a topic/, where AWS IoT asks iot:Subscribe for topicfilter/", None),
        (PUBLISH, f"{PREFIX}:topicfilter/orders/*", "is a topicfilter/, where", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, f"{PREFIX}:orders/*", "names no topic/", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, f"{PREFIX}:topic:orders/*", "has no slash after topic", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, f"{PREFIX}:topic/orders/#", "a + or # stands for itself", f"{PREFIX}:topic/orders/*"),
        (SUBSCRIBE, f"{PREFIX}:topic/orders/+", "a + or # stands for itself", f"{PREFIX}:topicfilter/orders/*"),
    ],
)
def test_a_mistake_is_named_and_the_corrected_resource_allows(
    request_: Request, resource: str, said: str, corrected: str | None
) -> None:
    (miss,) = near_misses(request_, [policy(resource)], FACTS)
    assert said in miss.text
    assert miss.resource == resource
    if corrected:
        assert miss.corrected == corrected
    assert miss.corrected
    assert not decide(request_, [policy(resource)], FACTS).allowed
    assert decide(request_, [policy(miss.corrected)], FACTS).allowed


def test_only_topics_and_no_client_is_told() -> None:
    (miss,) = near_misses(CONNECT, [policy(f"{PREFIX}:topic/*")], FACTS)
    assert "is a topic/, where AWS IoT asks iot:Connect for client/" in miss.text
    assert miss.corrected == f"{PREFIX}:client/*"


def test_a_policy_that_wants_the_identity_id_as_client_id_is_right_and_the_front_end_should_give_it() -> None:
    (miss,) = near_misses(CONNECT, [policy(f"{PREFIX}:client/${{cognito-identity.amazonaws.com:sub}}")], FACTS)
    assert "give Amplify PubSub that clientId" in miss.text
    assert miss.corrected is None


def test_a_variable_in_an_older_version_is_told() -> None:
    request = Request("iot:Publish", f"{PREFIX}:topic/us-east-1:id")
    resource = f"{PREFIX}:topic/${{cognito-identity.amazonaws.com:sub}}"
    (miss,) = near_misses(request, [policy(resource, version="2008-10-17")], FACTS)
    assert '"Version":"2012-10-17"' in miss.text


def test_a_condition_that_is_not_met_is_quoted() -> None:
    elsewhere = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    (miss,) = near_misses(PUBLISH, [policy("*", Condition=elsewhere)], FACTS)
    assert "its condition on aws:RequestedRegion is not met" in miss.text


def test_an_action_that_no_statement_allows_is_named() -> None:
    (miss,) = near_misses(PUBLISH, [policy("*", Action=["iot:Connect", "iot:Subscribe"])], FACTS)
    assert miss.text == "no statement of it allows iot:Publish"


def test_another_topic_is_no_mistake() -> None:
    assert near_misses(PUBLISH, [policy(f"{PREFIX}:topic/invoices/*")], FACTS) == []
