from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from pubsub_cli.iam.decision import Decision, Outcome, decide
from pubsub_cli.iam.document import Policy
from pubsub_cli.iam.explanation import why
from pubsub_cli.iam.facts import Facts, signed_in_user
from pubsub_cli.iam.request import Request
from pubsub_cli.iam.simulation import Answer, ask_iam
from pubsub_cli.iam.verdict import Verdict

ARN = "arn:aws:iot:us-east-1:123456789012:client/browser"
ROLE = "arn:aws:iam::123456789012:role/AuthRole"
CONNECT = Request("iot:Connect", ARN)
ALLOW = Policy.read("the policy Data", "data", {"Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]})
ALLOWED = decide(CONNECT, [ALLOW], Facts())


def simulated(**result: Any) -> Answer:
    """Return what is made of an answer of IAM's simulator."""
    iam = boto3.client("iam", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
    with Stubber(iam) as stub:
        answer = {"EvalActionName": "iot:Connect", "EvalResourceName": ARN, **result}
        stub.add_response("simulate_principal_policy", {"EvaluationResults": [answer]})
        facts = signed_in_user("us-east-1", "us-east-1:pool", role_arn=ROLE)
        return ask_iam(iam, ROLE, [CONNECT], facts)[CONNECT]


def test_a_policy_of_the_organization_that_denies_is_told_beside_what_the_documents_say() -> None:
    answer = simulated(EvalDecision="implicitDeny", OrganizationsDecisionDetail={"AllowedByOrganizations": False})
    verdict = Verdict(CONNECT, ALLOWED, answer)
    assert verdict.outcome is Outcome.IMPLICIT_DENY
    said = why(verdict, [ALLOW], Facts())
    assert "a policy of the AWS organization" in said
    assert "although the documents read as allowed, by the policy Data" in said


def test_aws_decides_where_the_documents_read_otherwise_and_both_are_told() -> None:
    matched = [{"SourcePolicyId": "somewhere-else", "SourcePolicyType": "IAM Policy"}]
    verdict = Verdict(CONNECT, ALLOWED, simulated(EvalDecision="explicitDeny", MatchedStatements=matched))
    assert verdict.outcome is Outcome.EXPLICIT_DENY
    assert why(verdict, [ALLOW], Facts()) == (
        "SimulatePrincipalPolicy answers explicit deny, although the documents read as allowed, by the policy Data, "
        "naming somewhere-else"
    )


def test_what_aws_says_of_boundary_and_missing_values_is_told() -> None:
    detail = {"AllowedByPermissionsBoundary": False}
    answer = simulated(
        EvalDecision="implicitDeny", PermissionsBoundaryDecisionDetail=detail, MissingContextValues=["aws:SourceIp"]
    )
    said = why(Verdict(CONNECT, ALLOWED, answer), [ALLOW], Facts())
    assert said.startswith("SimulatePrincipalPolicy answers implicit deny for want of aws:SourceIp, although")
    assert said.endswith(", because of the permissions boundary")


def test_what_aws_allows_is_allowed_whatever_the_documents_say_and_the_difference_is_told() -> None:
    verdict = Verdict(CONNECT, Decision(Outcome.IMPLICIT_DENY), simulated(EvalDecision="allowed"))
    assert verdict.outcome is Outcome.ALLOWED
    assert verdict.disagreement == (
        "SimulatePrincipalPolicy answers allowed, although the documents read as implicit deny"
    )


def test_aws_and_documents_that_agree_leave_nothing_to_tell() -> None:
    assert Verdict(CONNECT, ALLOWED, simulated(EvalDecision="allowed")).disagreement is None
    assert Verdict(CONNECT, ALLOWED, None).disagreement is None


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [("implicitDeny", Outcome.UNDECIDED), ("explicitDeny", Outcome.UNDECIDED), ("allowed", Outcome.ALLOWED)],
)
def test_a_denial_that_aws_makes_without_a_value_it_lacks_decides_nothing(decision: str, outcome: Outcome) -> None:
    undecided = Decision(Outcome.UNDECIDED, unknown=("aws:SourceIp",))
    answer = simulated(EvalDecision=decision, MissingContextValues=["aws:SourceIp"])
    assert answer.missing == ("aws:SourceIp",)
    assert Verdict(CONNECT, undecided, answer).outcome is outcome


@pytest.mark.parametrize("read", [ALLOWED, Decision(Outcome.IMPLICIT_DENY)])
def test_where_aws_lacks_a_value_to_allow_by_the_documents_decide_which_have_it(read: Decision) -> None:
    answer = simulated(EvalDecision="implicitDeny", MissingContextValues=["iot:ClientId"])
    assert Verdict(CONNECT, read, answer).outcome is read.outcome


@pytest.mark.parametrize("decision", ["implicitDeny", "explicitDeny"])
def test_what_an_organization_denies_for_want_of_a_value_is_undecided(decision: str) -> None:
    answer = simulated(
        EvalDecision=decision,
        OrganizationsDecisionDetail={"AllowedByOrganizations": False},
        MissingContextValues=["aws:SourceVpc"],
    )
    verdict = Verdict(CONNECT, ALLOWED, answer)
    assert verdict.outcome is Outcome.UNDECIDED
    assert "a policy of the AWS organization" in why(verdict, [ALLOW], Facts())
    assert "for want of aws:SourceVpc" in why(verdict, [ALLOW], Facts())


def test_missing_values_of_single_resources_are_told_too() -> None:
    specific = {
        "EvalResourceName": ARN,
        "EvalResourceDecision": "implicitDeny",
        "MissingContextValues": ["aws:SourceIp"],
    }
    assert simulated(EvalDecision="implicitDeny", ResourceSpecificResults=[specific]).missing == ("aws:SourceIp",)


def test_a_boundary_that_does_not_allow_is_told_apart() -> None:
    detail = {"AllowedByPermissionsBoundary": False}
    answer = simulated(EvalDecision="implicitDeny", PermissionsBoundaryDecisionDetail=detail)
    assert (answer.by_boundary, answer.by_organization) == (True, False)
