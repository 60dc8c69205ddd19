"""Reasons for denials, likely mistakes in policies, and missing statements."""

from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.iam.documents import Policy
from pubsub_cli.iam.evaluation import AwsDecision, Decision, EvaluatedRequest, Outcome, decide
from pubsub_cli.iam.explanation import (
    likely_mistakes,
    missing_statements,
    other_identities,
    reason_for_denial,
    suggest_changes,
)
from pubsub_cli.iam.request import ANY_CLIENT_ID, Request, RequestContext, front_end_requests, signed_in_context

PREFIX = "arn:aws:iot:us-east-1:123456789012"
CONTEXT = signed_in_context("us-east-1", "us-east-1:pool", identity_id="us-east-1:id")
CONNECT = Request("iot:Connect", f"{PREFIX}:client/{ANY_CLIENT_ID}")
SUBSCRIBE = Request("iot:Subscribe", f"{PREFIX}:topicfilter/orders/1")
PUBLISH = Request("iot:Publish", f"{PREFIX}:topic/orders/1")
TOPICS = Request("iot:Publish", f"{PREFIX}:topic/topics/new")


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
        (SUBSCRIBE, f"{PREFIX}:topic/orders/*", "is a topic/, but AWS IoT checks topicfilter/ for iot:Subscribe", None),
        (PUBLISH, f"{PREFIX}:topicfilter/orders/*", "is a topicfilter/, but", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, f"{PREFIX}:orders/*", "has no topic/", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, f"{PREFIX}:topics/orders/*", "has topics, but AWS IoT checks topic/", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, f"{PREFIX}:Topic:orders/*", "has Topic, but AWS IoT checks topic/", f"{PREFIX}:topic/orders/*"),
        (SUBSCRIBE, f"{PREFIX}:topic-filters/orders/*", "has topic-filters, but AWS IoT checks topicfilter/", None),
        (SUBSCRIBE, f"{PREFIX}:topicFilter/orders/#", "has topicFilter, but AWS IoT checks topicfilter/", None),
        (PUBLISH, "arn:aws:iot:eu-west-1:123456789012:topics/*", "has topics, but", f"{PREFIX}:topic/*"),
        (CONNECT, f"{PREFIX}:clientId/*", "has clientId, but AWS IoT checks client/", f"{PREFIX}:client/*"),
        (TOPICS, f"{PREFIX}:topics/new", "has no topic/, which AWS IoT checks", f"{PREFIX}:topic/topics/new"),
        (PUBLISH, f"{PREFIX}:topic:orders/*", "has no slash after topic", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, f"{PREFIX}:topic/orders/#", "+ and # are literal", f"{PREFIX}:topic/orders/*"),
        (SUBSCRIBE, f"{PREFIX}:topic/orders/+", "+ and # are literal", f"{PREFIX}:topicfilter/orders/*"),
        (PUBLISH, "arn:aws:iot:us-east-1:123456789012/topic/orders/*", "malformed", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, "aws:iot:::topic/orders/*", "malformed", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, "arn:aws:iot:iot:topic/orders/*", "malformed", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, f'"{PREFIX}:topic/orders/*"', "malformed", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, f"{PREFIX}:topic/'orders/*'", "quotation marks, angle brackets", f"{PREFIX}:topic/orders/*"),
        (PUBLISH, f"{PREFIX}:topic/<orders>/* ", "quotation marks, angle brackets", f"{PREFIX}:topic/orders/*"),
    ],
)
def test_mistake_in_a_resource_has_a_correction_that_allows(
    request_: Request, resource: str, said: str, corrected: str | None
) -> None:
    (mistake,) = likely_mistakes(request_, [policy(resource)], CONTEXT)
    assert said in mistake.text
    if corrected:
        assert mistake.corrected == corrected
    assert mistake.corrected
    assert mistake.text.endswith(f"; {mistake.corrected} would allow it")
    assert not decide(request_, [policy(resource)], CONTEXT).allowed
    assert decide(request_, [policy(mistake.corrected)], CONTEXT).allowed


SUB = "${cognito-identity.amazonaws.com:sub}"


@pytest.mark.parametrize("name", ["*", "rooms/*", f"{SUB}/*"])
def test_policy_without_a_client_resource_is_a_mistake(name: str) -> None:
    (mistake,) = likely_mistakes(CONNECT, [policy(f"{PREFIX}:topic/{name}")], CONTEXT)
    assert "is a topic/, but AWS IoT checks client/ for iot:Connect" in mistake.text
    assert (mistake.corrected, mistake.fix) == (f"{PREFIX}:client/*", None)


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (f"aws:iot:::topic/{SUB}/1", "aws:iot:::topic/${cognito-identity.amazonaws.com:sub}/1 is malformed"),
        (f"{PREFIX}:topic/${SUB}/1", "the first $ is literal in"),
    ],
)
def test_mistake_beside_a_variable_has_a_correction(resource: str, said: str) -> None:
    request = Request("iot:Publish", f"{PREFIX}:topic/us-east-1:id/1")
    (mistake,) = likely_mistakes(request, [policy(resource)], CONTEXT)
    assert mistake.text.startswith(said)
    assert mistake.corrected == f"{PREFIX}:topic/{SUB}/1"


def test_correction_that_depends_on_an_unknown_variable_might_allow() -> None:
    (mistake,) = likely_mistakes(
        PUBLISH, [policy("arn:aws:iot:eu-west-1:123456789012:topic/${aws:SourceIp}/1")], CONTEXT
    )
    assert "has region eu-west-1, not us-east-1; " in mistake.text
    assert mistake.text.endswith(f"{PREFIX}:topic/${{aws:SourceIp}}/1 might allow it")


def test_wrong_region_does_not_open_all_client_ids() -> None:
    (mistake,) = likely_mistakes(CONNECT, [policy(f"arn:aws:iot:eu-west-1:123456789012:client/{SUB}")], CONTEXT)
    assert "has region eu-west-1, not us-east-1; " in mistake.text
    fix = str(mistake.fix)
    assert f"by {PREFIX}:client/{SUB} in the policy. Give Amplify PubSub the client id" in fix
    assert "client/*" not in mistake.text + fix


@pytest.mark.parametrize("things", [None, [], ["Printer_p1"]])
@pytest.mark.parametrize(
    ("request_", "resource", "fix"),
    [
        (Request("iot:Connect", f"{PREFIX}:client/Printer_p1"), "client/Printer_{}", "Replace"),
        (Request("iot:Publish", f"{PREFIX}:topic/status/p1"), "topic/status/{}", "Use the name of the thing"),
    ],
)
def test_name_of_a_thing_is_the_client_id(request_: Request, resource: str, fix: str, things: list[str] | None) -> None:
    own = policy(f"{PREFIX}:{resource.format('${iot:Connection.Thing.ThingName}')}")
    context = signed_in_context("us-east-1", None, client_id="Printer_p1", things=things)
    assert decide(request_, [own], context).outcome is Outcome.IMPLICIT_DENY
    (mistake,) = likely_mistakes(request_, [own], context)
    assert mistake.text.endswith("because iot:Connection.Thing.ThingName is the client id, Printer_p1")
    assert str(mistake.fix).startswith(fix)


def test_variable_of_a_certificate_never_matches_for_an_identity() -> None:
    resource = f"{PREFIX}:topic/${{iot:CertificateId}}/1"
    (mistake,) = likely_mistakes(PUBLISH, [policy(resource)], CONTEXT)
    assert mistake.text.startswith(f"{resource} never matches for a Cognito identity, which has no certificate for")


def test_statement_with_another_effect_neither_allows_nor_denies() -> None:
    other = policy("*", Effect="allow")
    decision = decide(PUBLISH, [other], CONTEXT)
    assert (decision.outcome, decision.statement) == (Outcome.IMPLICIT_DENY, None)
    assert decide(PUBLISH, [other, policy("*")], CONTEXT).allowed


@pytest.mark.parametrize(
    ("name", "can_be_given"),
    [("${cognito-identity.amazonaws.com:sub}", True), ("sdk-nodejs-*", True), ("basicPubSub", False)],
)
def test_policy_for_other_client_ids_is_a_mistake(name: str, can_be_given: bool) -> None:
    (mistake,) = likely_mistakes(CONNECT, [policy(f"{PREFIX}:client/{name}")], CONTEXT)
    assert mistake.text == f"{PREFIX}:client/{name} does not allow the random client id of Amplify PubSub"
    assert mistake.corrected is None
    assert str(mistake.fix).startswith("Give Amplify PubSub the client id that") is can_be_given


def test_variable_in_the_older_policy_version_is_a_mistake() -> None:
    request = Request("iot:Publish", f"{PREFIX}:topic/us-east-1:id")
    resource = f"{PREFIX}:topic/${{cognito-identity.amazonaws.com:sub}}"
    (mistake,) = likely_mistakes(request, [policy(resource, version="2008-10-17")], CONTEXT)
    assert mistake.fix == 'Set "Version":"2012-10-17" in the policy'


def test_unmet_condition_is_explained_and_not_removed() -> None:
    elsewhere = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    (mistake,) = likely_mistakes(PUBLISH, [policy("*", Condition=elsewhere)], CONTEXT)
    assert (
        "its condition on aws:RequestedRegion is not met (StringEquals eu-west-1; the value is us-east-1)"
        in mistake.text
    )
    assert str(mistake.fix).startswith("Meet the condition on aws:RequestedRegion, or ask the owner")


@pytest.mark.parametrize(
    "variable",
    ["cognito-identity.amazonaws.com:custom:firm", "AWS::Region", "aws:PrincipalTag/firm", "cognito:username, 'none'"],
)
def test_variable_that_aws_iot_lacks_never_matches(variable: str) -> None:
    resource = f"{PREFIX}:topic/${{{variable}}}/1"
    own = policy(resource)
    if "none" not in variable:
        assert decide(PUBLISH, [own], CONTEXT).outcome is Outcome.IMPLICIT_DENY
    (mistake,) = likely_mistakes(PUBLISH, [own], CONTEXT)
    assert f"{resource} never matches, because AWS IoT policies have no variable ${{{variable}}}" in mistake.text
    assert "cognito-identity.amazonaws.com:sub" in mistake.text


def test_claim_that_an_identity_lacks_never_matches_in_a_role() -> None:
    resource = f"{PREFIX}:topic/${{cognito-identity.amazonaws.com:custom:firm}}/1"
    of_role = signed_in_context("us-east-1", None, role_arn="arn:aws:iam::123456789012:role/AuthRole")
    (mistake,) = likely_mistakes(PUBLISH, [policy(resource)], of_role)
    assert mistake.text.startswith(f"{resource} never matches, because an identity has no ${{cognito-identity")
    assert "AWS IoT" not in mistake.text


def test_variable_that_aws_iot_lacks_is_no_mistake_of_other_topics() -> None:
    assert likely_mistakes(PUBLISH, [policy(f"{PREFIX}:topic/invoices/${{firm}}")], CONTEXT) == []


THING = {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}


@pytest.mark.parametrize(
    ("resource", "more"),
    [("*", {"Condition": THING}), (f"{PREFIX}:client/${{iot:Connection.Thing.ThingName}}", {})],
)
def test_thing_of_the_identity_is_required_and_attached(resource: str, more: dict[str, Any]) -> None:
    connect, policies = Request("iot:Connect", f"{PREFIX}:client/lamp"), [policy(resource, **more)]

    def context(things: list[str] | None, client_id: str = "lamp") -> RequestContext:
        return signed_in_context("us-east-1", None, identity_id="us-east-1:id", client_id=client_id, things=things)

    assert decide(connect, policies, context(["lamp"])).allowed
    assert decide(connect, policies, context(None)).outcome is Outcome.UNKNOWN
    assert decide(connect, policies, context([])).outcome is Outcome.IMPLICIT_DENY
    (mistake,) = likely_mistakes(connect, policies, context([]))
    assert str(mistake.fix) == "aws iot attach-thing-principal --thing-name lamp --principal us-east-1:id"
    (mistake,) = likely_mistakes(CONNECT, policies, context([], ANY_CLIENT_ID))
    assert str(mistake.fix).startswith("Give Amplify PubSub the name of the user's thing as clientId")


def test_action_that_no_statement_allows_is_named() -> None:
    (mistake,) = likely_mistakes(PUBLISH, [policy("*", Action=["iot:Connect", "iot:Subscribe"])], CONTEXT)
    assert (mistake.text, mistake.fix) == ("no statement allows iot:Publish", None)


def test_statement_on_other_topics_is_no_mistake() -> None:
    assert likely_mistakes(PUBLISH, [policy(f"{PREFIX}:topic/invoices/*")], CONTEXT) == []


def evaluated(decision: Decision, aws: AwsDecision | None = None) -> EvaluatedRequest:
    return EvaluatedRequest(PUBLISH, decision, aws)


def test_reason_quotes_the_statement_that_denies_or_is_unknown() -> None:
    deny = Policy.read("the policy", "", {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})
    denied = evaluated(decide(PUBLISH, [deny], CONTEXT))
    assert reason_for_denial(denied, [deny], CONTEXT) == f"the policy denies it: {deny.statements[0].text}"
    unknown = policy("*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    undecided = evaluated(decide(PUBLISH, [unknown], CONTEXT))
    assert reason_for_denial(undecided, [unknown], CONTEXT).startswith("it depends on aws:SourceIp in the policy: {")
    by_aws = evaluated(undecided.decision, AwsDecision(Outcome.IMPLICIT_DENY, "TestAuthorization"))
    reason = reason_for_denial(by_aws, [unknown], CONTEXT)
    assert reason.startswith("TestAuthorization reports implicit deny; it depends on aws:SourceIp in the policy")


def test_reason_without_a_mistake_names_the_policies() -> None:
    other = policy(f"{PREFIX}:topic/invoices/*")
    denied = evaluated(Decision(Outcome.IMPLICIT_DENY))
    assert reason_for_denial(denied, [other], CONTEXT) == "no statement of the policy covers it"
    assert reason_for_denial(denied, [], CONTEXT) == "there is no policy that allows it"
    bounded = evaluated(Decision(Outcome.IMPLICIT_DENY, policy=other))
    assert reason_for_denial(bounded, [], CONTEXT) == "the policy does not allow it, and limits the role"


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"policies": ("other",)}, "{}, naming other"),
        ({"by_boundary": True}, "{}, because of the permissions boundary"),
        (
            {"by_organization": True},
            "a policy of the AWS organization (for example, a service control policy) does not allow it; {}",
        ),
    ],
)
def test_reason_of_aws_states_its_origin(details: dict[str, Any], reason: str) -> None:
    aws = AwsDecision(Outcome.EXPLICIT_DENY, "SimulatePrincipalPolicy", missing=("aws:SourceVpc",), **details)
    allowed = decide(PUBLISH, [policy("*")], CONTEXT)
    disagreement = (
        "SimulatePrincipalPolicy reports explicit deny without a value of aws:SourceVpc, "
        "but the documents say allowed, by the policy"
    )
    assert reason_for_denial(evaluated(allowed, aws), [], CONTEXT) == reason.format(disagreement)


def test_missing_statements_allow_the_requests_of_every_user() -> None:
    service = "cognito-identity.amazonaws.com"
    requests = front_end_requests(PREFIX, f"us-east-1:id-{ANY_CLIENT_ID}", ["us-east-1:id/chat", "rooms/+"])
    statements = missing_statements(requests, "us-east-1:id", service)
    assert "us-east-1:id" not in str(statements)
    assert {each["Resource"][0] for each in statements} >= {f"{PREFIX}:client/${{{service}:sub}}-*"}
    missing = Policy.read("", "", {"Version": "2012-10-17", "Statement": statements})
    for identity_id in ("us-east-1:id", "us-east-1:other"):
        context = signed_in_context("us-east-1", None, identity_id=identity_id)
        topics = [f"{identity_id}/chat", "rooms/+"]
        for request in front_end_requests(PREFIX, f"{identity_id}-browser", topics):
            assert decide(request, [missing], context).allowed


def test_missing_statement_has_no_identity_id_and_no_new_wildcard() -> None:
    identity, service = "us-east-1:0a1b2c3d-1111-2222-3333-444455556666", "cognito-identity.amazonaws.com"
    topic = f"{identity}/a?*${{b}}"
    (publish,) = (each for each in front_end_requests(PREFIX, "c", [topic]) if each.action == "iot:Publish")
    for known in (identity, None):
        (statement,) = missing_statements([publish], known, service)
        assert statement["Resource"] == [f"{PREFIX}:topic/${{{service}:sub}}/a${{?}}${{*}}${{$}}{{b}}"]
    assert other_identities(publish, identity) == []
    assert other_identities(publish, "us-east-1:ffffffff-1111-2222-3333-444455556666") == [identity]


@pytest.mark.parametrize(
    "statement",
    [
        policy("*", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}),
        policy(f"{PREFIX}:topic/${{firm}}/1"),
        policy("*", Effect="Deny"),
    ],
    ids=["condition", "variable", "deny"],
)
def test_changes_bypass_no_restriction_of_a_shared_policy(statement: Policy) -> None:
    (change,) = suggest_changes([PUBLISH], statement, CONTEXT, None, "cognito-identity.amazonaws.com")
    assert not str(change).startswith(("Add", "Remove"))
