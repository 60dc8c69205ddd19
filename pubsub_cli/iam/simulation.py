"""What AWS itself says to a request: IAM's simulator for a role, AWS IoT's test for an identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pubsub_cli.iam.decision import Outcome
from pubsub_cli.iam.facts import Facts
from pubsub_cli.iam.request import CONNECT, PUBLISH, RECEIVE, SUBSCRIBE, Request
from pubsub_client.policy_document import IDENTITY_SERVICES

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient
    from types_boto3_iam.type_defs import ContextEntryTypeDef, EvaluationResultTypeDef
    from types_boto3_iot import IoTClient

_BY_IAM = {
    "allowed": Outcome.ALLOWED,
    "explicitDeny": Outcome.EXPLICIT_DENY,
    "implicitDeny": Outcome.IMPLICIT_DENY,
}
_BY_IOT = {
    "ALLOWED": Outcome.ALLOWED,
    "EXPLICIT_DENY": Outcome.EXPLICIT_DENY,
    "IMPLICIT_DENY": Outcome.IMPLICIT_DENY,
}
_TYPES: dict[str, Literal["CONNECT", "PUBLISH", "RECEIVE", "SUBSCRIBE"]] = {
    CONNECT: "CONNECT",
    PUBLISH: "PUBLISH",
    RECEIVE: "RECEIVE",
    SUBSCRIBE: "SUBSCRIBE",
}
_MOST_QUESTIONS = 10
"""Of one TestAuthorization: https://docs.aws.amazon.com/iot/latest/apireference/API_TestAuthorization.html"""


@dataclass(frozen=True)
class Answer:
    """What AWS says to one request.

    Args:
        outcome: its decision.
        source: the operation that was asked.
        by_organization: whether a policy of the organization keeps the request from being allowed.
        by_boundary: whether the permissions boundary does.
        policies: the names of the policies that deny it explicitly.
        missing: condition keys and variables that AWS lacked a value of.
    """

    outcome: Outcome
    source: str
    by_organization: bool = False
    by_boundary: bool = False
    policies: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def ask_iam(iam: IAMClient, role_arn: str, requests: Sequence[Request], facts: Facts) -> dict[Request, Answer]:
    """Ask IAM what a role may do; it knows the policies of organizations too.

    One resource at a time, for IAM gives one decision an action.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html

    Raises:
        botocore.exceptions.ClientError: it may not be asked, or the role is not there.
    """
    entries = _context(facts)
    answers = {}
    for resource in dict.fromkeys(each.resource for each in requests):
        asked = {each.action: each for each in requests if each.resource == resource}
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=role_arn, ActionNames=list(asked), ResourceArns=[resource], ContextEntries=entries
        )
        for page in pages:
            for result in page["EvaluationResults"]:
                answers[asked[result["EvalActionName"]]] = read_answer(result)
    return answers


def ask_iot(
    iot: IoTClient,
    identity_id: str,
    identity_pool_id: str | None,
    client_id: str | None,
    requests: Sequence[Request],
    *,
    with_policy: str | None,
) -> dict[Request, Answer]:
    """Ask AWS IoT what the policies attached to an identity allow.

    Asked with an identity pool, AWS IoT also considers the pool's role for authenticated users, which need not be the
    user's, and a denial does not say whose it is. So what is denied is asked again without the pool: a denial that
    remains is that of the IoT policies, unless it turns on a value that only the pool gives. A request whose denial may
    be the role's has no answer.
    https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html#group-test-authorization
    https://docs.aws.amazon.com/iot/latest/apireference/API_AuthResult.html

    Args:
        iot: AWS IoT.
        identity_id: the identity.
        identity_pool_id: its identity pool; None if it is not known.
        client_id: the MQTT client id; None if it is not known.
        requests: what is asked.
        with_policy: a policy that counts as if it were attached; None for those that are.

    Raises:
        botocore.exceptions.ClientError: it may not be asked.
    """
    options: dict[str, Any] = {"principal": identity_id, "policyNamesToAdd": [with_policy] if with_policy else []}
    if client_id:
        options["clientId"] = client_id
    if not identity_pool_id:
        return _test_authorization(iot, requests, **options)
    answers = _test_authorization(iot, requests, **options, cognitoIdentityPoolId=identity_pool_id)
    denied = [request for request, answer in answers.items() if answer.outcome is not Outcome.ALLOWED]
    for request, answer in _test_authorization(iot, denied, **options).items():
        if answer.outcome is Outcome.ALLOWED or answer.missing:
            del answers[request]
        else:
            answers[request] = answer
    return answers


def _test_authorization(iot: IoTClient, requests: Sequence[Request], **options: Any) -> dict[Request, Answer]:
    answers = {}
    for first in range(0, len(requests), _MOST_QUESTIONS):
        asked = requests[first : first + _MOST_QUESTIONS]
        results = iot.test_authorization(
            authInfos=[{"actionType": _TYPES[each.action], "resources": [each.resource]} for each in asked],
            **options,
        )["authResults"]
        for request, result in zip(asked, results, strict=True):
            denied = result.get("denied", {}).get("explicitDeny", {}).get("policies", [])
            answers[request] = Answer(
                outcome=_BY_IOT[result["authDecision"]],
                source="TestAuthorization",
                policies=tuple(each["policyName"] for each in denied),
                missing=tuple(result.get("missingContextValues", [])),
            )
    return answers


def read_answer(result: EvaluationResultTypeDef) -> Answer:
    """Return what IAM's simulator says to one action."""
    organization = result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)
    boundary = result.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True)
    specific = result.get("ResourceSpecificResults", [])
    missing = [key for each in (result, *specific) for key in each.get("MissingContextValues", [])]
    return Answer(
        outcome=_BY_IAM[result["EvalDecision"]],
        source="SimulatePrincipalPolicy",
        by_organization=not organization,
        by_boundary=not boundary,
        policies=tuple(
            each["SourcePolicyId"] for each in result.get("MatchedStatements", []) if "SourcePolicyId" in each
        )
        if result["EvalDecision"] == "explicitDeny"
        else (),
        missing=tuple(dict.fromkeys(missing)),
    )


def _context(facts: Facts) -> list[ContextEntryTypeDef]:
    """Return what the simulator must be told: it knows nothing of the session."""
    lists = {f"{service}:amr" for service in IDENTITY_SERVICES}
    return [
        {
            "ContextKeyName": key,
            "ContextKeyType": "stringList" if key in lists else "boolean" if key == "aws:securetransport" else "string",
            "ContextKeyValues": list(values),
        }
        for key, values in facts.values.items()
        # IAM derives what is about the role from the role that it simulates.
        if not key.startswith(("aws:principal", "iot:"))
    ]
