"""Decisions of policy documents and of AWS, and the outcome if they differ."""

from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.iam.documents import Policy
from pubsub_cli.iam.evaluation import AwsDecision, Decision, EvaluatedRequest, Outcome, decide
from pubsub_cli.iam.request import Request, RequestContext, signed_in_context
from pubsub_cli.iam.roles import simulate_role
from tests.unit.pubsub_cli.checks.stubbed_aws import StubbedAws

PREFIX = "arn:aws:iot:us-east-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/AuthRole"
CONTEXT = signed_in_context("us-east-1", "us-east-1:pool", identity_id="us-east-1:id")
PUBLISH = Request("iot:Publish", f"{PREFIX}:topic/orders")
ALLOW = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
DENY = {"Effect": "Deny", "Action": "iot:Publish", "Resource": f"{PREFIX}:topic/*"}
UNKNOWN = {"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}


def policy(*statements: dict[str, Any], name: str = "the policy", version: str = "2012-10-17") -> Policy:
    return Policy.read(name, name, {"Version": version, "Statement": list(statements)})


def outcome(*policies: Policy, boundary: Policy | None = None) -> Outcome:
    return decide(PUBLISH, policies, CONTEXT, boundary).outcome


def test_decision_without_a_policy_is_an_implicit_deny() -> None:
    assert outcome() is Outcome.IMPLICIT_DENY


def test_decision_names_the_statement_and_its_policy() -> None:
    silent, allowing = policy(ALLOW | {"Action": "s3:*"}, name="silent"), policy(ALLOW, name="allowing")
    decision = decide(PUBLISH, [silent, allowing], CONTEXT)
    assert decision.allowed
    assert decision.policy is allowing
    assert decision.statement is allowing.statements[0]


def test_explicit_deny_wins_in_any_policy() -> None:
    assert outcome(policy(ALLOW), policy(DENY)) is Outcome.EXPLICIT_DENY
    assert outcome(policy(DENY, ALLOW)) is Outcome.EXPLICIT_DENY
    boundary = policy(ALLOW, DENY, name="the boundary")
    decision = decide(PUBLISH, [policy(ALLOW)], CONTEXT, boundary)
    assert (decision.outcome, decision.policy) == (Outcome.EXPLICIT_DENY, boundary)


def test_boundary_must_allow_the_request_but_grants_nothing() -> None:
    boundary = policy({"Effect": "Allow", "NotAction": "iot:*", "Resource": "*"}, name="the boundary")
    decision = decide(PUBLISH, [policy(ALLOW)], CONTEXT, boundary)
    assert (decision.outcome, decision.policy) == (Outcome.IMPLICIT_DENY, boundary)
    assert outcome(boundary=policy(ALLOW)) is Outcome.IMPLICIT_DENY
    allowing = policy(ALLOW)
    decision = decide(PUBLISH, [allowing], CONTEXT, boundary=policy(ALLOW, name="the boundary"))
    assert (decision.outcome, decision.policy) == (Outcome.ALLOWED, allowing)
    assert outcome(policy(ALLOW), boundary=policy(ALLOW | UNKNOWN)) is Outcome.UNKNOWN
    assert outcome(policy(ALLOW | UNKNOWN), boundary=policy(ALLOW)) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("element", "allowed"),
    [
        ({"NotAction": "iot:Subscribe"}, True),
        ({"NotAction": ["iot:Pub*"]}, False),
        ({"Action": "IOT:publish", "NotResource": f"{PREFIX}:topic/closed"}, True),
        ({"Action": "iot:Publish", "NotResource": f"{PREFIX}:topic/*"}, False),
    ],
)
def test_not_action_and_not_resource_exclude(element: dict[str, Any], allowed: bool) -> None:
    statement = {"Effect": "Allow", **({} if "NotResource" in element else {"Resource": "*"}), **element}
    assert decide(PUBLISH, [policy(statement)], CONTEXT).allowed is allowed


def test_outcome_is_unknown_only_if_an_unknown_condition_decides() -> None:
    unknown_deny = policy(DENY | UNKNOWN)
    unsure = decide(PUBLISH, [policy(ALLOW | UNKNOWN)], CONTEXT)
    assert (unsure.outcome, unsure.unknown) == (Outcome.UNKNOWN, ("aws:SourceVpc",))
    assert outcome(policy(ALLOW | UNKNOWN, ALLOW)) is Outcome.ALLOWED
    assert outcome(policy(ALLOW), unknown_deny) is Outcome.UNKNOWN
    assert outcome(unknown_deny) is Outcome.IMPLICIT_DENY
    assert outcome(policy(ALLOW, DENY), unknown_deny) is Outcome.EXPLICIT_DENY


def test_unmet_condition_allows_nothing() -> None:
    unmet = {"Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}
    assert outcome(policy(ALLOW | unmet)) is Outcome.IMPLICIT_DENY


def test_variables_are_replaced_only_in_the_newer_policy_version() -> None:
    statement = ALLOW | {"Resource": f"{PREFIX}:client/${{cognito-identity.amazonaws.com:sub}}"}
    connect = Request("iot:Connect", f"{PREFIX}:client/us-east-1:id")
    assert decide(connect, [policy(statement)], CONTEXT).allowed
    assert not decide(connect, [policy(statement, version="2008-10-17")], CONTEXT).allowed


def test_unknown_variable_is_named() -> None:
    statement = ALLOW | {"Resource": f"{PREFIX}:topic/${{cognito-identity.amazonaws.com:sub}}/${{*}}"}
    request = Request("iot:Publish", f"{PREFIX}:topic/us-east-1:id/*")
    decision = decide(request, [policy(statement)], signed_in_context("us-east-1", None))
    assert (decision.outcome, decision.unknown) == (Outcome.UNKNOWN, ("cognito-identity.amazonaws.com:sub",))


ALLOWED = decide(PUBLISH, [policy(ALLOW)], CONTEXT)
IMPLICIT = Decision(Outcome.IMPLICIT_DENY)
UNSURE = Decision(Outcome.UNKNOWN, unknown=("aws:SourceIp",))


def aws(outcome: Outcome, **more: Any) -> AwsDecision:
    return AwsDecision(outcome, "SimulatePrincipalPolicy", **more)


@pytest.mark.parametrize(
    ("documents", "by_aws", "expected"),
    [
        (ALLOWED, None, Outcome.ALLOWED),
        (ALLOWED, aws(Outcome.EXPLICIT_DENY), Outcome.EXPLICIT_DENY),
        (IMPLICIT, aws(Outcome.ALLOWED), Outcome.ALLOWED),
        (UNSURE, aws(Outcome.ALLOWED), Outcome.ALLOWED),
        (UNSURE, aws(Outcome.IMPLICIT_DENY), Outcome.IMPLICIT_DENY),
        (UNSURE, aws(Outcome.EXPLICIT_DENY), Outcome.EXPLICIT_DENY),
        (UNSURE, aws(Outcome.IMPLICIT_DENY, missing=("aws:SourceIp",)), Outcome.UNKNOWN),
        (ALLOWED, aws(Outcome.EXPLICIT_DENY, missing=("aws:SourceIp",)), Outcome.EXPLICIT_DENY),
        (UNSURE, aws(Outcome.EXPLICIT_DENY, missing=("aws:SourceIp",)), Outcome.UNKNOWN),
        (ALLOWED, aws(Outcome.IMPLICIT_DENY, missing=("iot:ClientId",)), Outcome.ALLOWED),
        (IMPLICIT, aws(Outcome.IMPLICIT_DENY, missing=("iot:ClientId",)), Outcome.IMPLICIT_DENY),
        (ALLOWED, aws(Outcome.IMPLICIT_DENY, by_organization=True), Outcome.IMPLICIT_DENY),
        (ALLOWED, aws(Outcome.IMPLICIT_DENY, by_organization=True, missing=("aws:SourceVpc",)), Outcome.UNKNOWN),
        (ALLOWED, aws(Outcome.EXPLICIT_DENY, by_organization=True, missing=("aws:SourceVpc",)), Outcome.UNKNOWN),
    ],
)
def test_outcome_is_that_of_aws_unless_it_lacked_a_value(
    documents: Decision, by_aws: AwsDecision | None, expected: Outcome
) -> None:
    assert EvaluatedRequest(PUBLISH, documents, by_aws).outcome is expected


def test_disagreement_states_both_decisions() -> None:
    assert EvaluatedRequest(PUBLISH, IMPLICIT, aws(Outcome.ALLOWED)).disagreement == (
        "SimulatePrincipalPolicy reports allowed, but the documents say implicit deny"
    )
    assert EvaluatedRequest(PUBLISH, ALLOWED, aws(Outcome.ALLOWED)).disagreement is None
    assert EvaluatedRequest(PUBLISH, ALLOWED, None).disagreement is None


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"EvalDecision": "allowed"}, aws(Outcome.ALLOWED)),
        (
            {"EvalDecision": "explicitDeny", "MatchedStatements": [{"SourcePolicyId": "other"}]},
            aws(Outcome.EXPLICIT_DENY, policies=("other",)),
        ),
        (
            {
                "EvalDecision": "implicitDeny",
                "OrganizationsDecisionDetail": {"AllowedByOrganizations": False},
                "MissingContextValues": ["aws:SourceVpc"],
            },
            aws(Outcome.IMPLICIT_DENY, by_organization=True, missing=("aws:SourceVpc",)),
        ),
        (
            {
                "EvalDecision": "implicitDeny",
                "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False},
            },
            aws(Outcome.IMPLICIT_DENY, by_boundary=True),
        ),
        (
            {"EvalDecision": "implicitDeny", "ResourceSpecificResults": [{"MissingContextValues": ["aws:SourceIp"]}]},
            aws(Outcome.IMPLICIT_DENY, missing=("aws:SourceIp",)),
        ),
    ],
)
def test_simulation_result_is_read_completely(result: dict[str, Any], expected: AwsDecision) -> None:
    answer = {"EvalActionName": PUBLISH.action, "EvalResourceName": PUBLISH.resource, **result}
    iam = StubbedAws(SimulatePrincipalPolicy={"EvaluationResults": [answer]}).iam
    assert simulate_role(iam, ROLE, [PUBLISH], RequestContext()) == {PUBLISH: expected}
