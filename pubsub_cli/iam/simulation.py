"""Asks AWS for its decisions: IAM's policy simulator for a role, AWS IoT's TestAuthorization for an identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pubsub_cli.iam.evaluation import AwsDecision, Outcome
from pubsub_cli.iam.request import CONNECT, PUBLISH, RECEIVE, SUBSCRIBE, Request, RequestContext
from pubsub_client.policy_document import IDENTITY_SERVICES

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient
    from types_boto3_iam.type_defs import ContextEntryTypeDef, EvaluationResultTypeDef
    from types_boto3_iot import IoTClient

_OUTCOMES = {
    "allowed": Outcome.ALLOWED,
    "explicitDeny": Outcome.EXPLICIT_DENY,
    "implicitDeny": Outcome.IMPLICIT_DENY,
    "ALLOWED": Outcome.ALLOWED,
    "EXPLICIT_DENY": Outcome.EXPLICIT_DENY,
    "IMPLICIT_DENY": Outcome.IMPLICIT_DENY,
}
"""By the names that IAM and AWS IoT use."""
_IOT_ACTIONS: dict[str, Literal["CONNECT", "PUBLISH", "RECEIVE", "SUBSCRIBE"]] = {
    CONNECT: "CONNECT",
    PUBLISH: "PUBLISH",
    RECEIVE: "RECEIVE",
    SUBSCRIBE: "SUBSCRIBE",
}
_MAX_AUTH_INFOS = 10
"""Of one TestAuthorization: https://docs.aws.amazon.com/iot/latest/apireference/API_TestAuthorization.html"""


def simulate_role(
    iam: IAMClient, role_arn: str, requests: Sequence[Request], context: RequestContext
) -> dict[Request, AwsDecision]:
    """Have IAM simulate a role's requests; it also evaluates the organization's policies.

    One call for each resource, because IAM returns one decision for each action.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html

    Raises:
        botocore.exceptions.ClientError: the call is not permitted, or there is no such role.
    """
    entries = _context_entries(context)
    decisions = {}
    for resource in dict.fromkeys(each.resource for each in requests):
        by_action = {each.action: each for each in requests if each.resource == resource}
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=role_arn, ActionNames=list(by_action), ResourceArns=[resource], ContextEntries=entries
        )
        for page in pages:
            for result in page["EvaluationResults"]:
                decisions[by_action[result["EvalActionName"]]] = read_simulation(result)
    return decisions


def read_simulation(result: EvaluationResultTypeDef) -> AwsDecision:
    """Read the result of IAM's policy simulator for one action."""
    organization = result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)
    boundary = result.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True)
    outcome = _OUTCOMES[result["EvalDecision"]]
    matched = result.get("MatchedStatements", []) if outcome is Outcome.EXPLICIT_DENY else []
    missing = [
        key
        for each in (result, *result.get("ResourceSpecificResults", []))
        for key in each.get("MissingContextValues", [])
    ]
    return AwsDecision(
        outcome=outcome,
        operation="SimulatePrincipalPolicy",
        by_organization=not organization,
        by_boundary=not boundary,
        policies=tuple(each["SourcePolicyId"] for each in matched if "SourcePolicyId" in each),
        missing=tuple(dict.fromkeys(missing)),
    )


def _context_entries(context: RequestContext) -> list[ContextEntryTypeDef]:
    """Return the values of the session, which the simulator does not know; it derives those of the role itself."""
    lists = {f"{service}:amr" for service in IDENTITY_SERVICES}
    return [
        {
            "ContextKeyName": key,
            "ContextKeyType": "stringList" if key in lists else "boolean" if key == "aws:securetransport" else "string",
            "ContextKeyValues": list(values),
        }
        for key, values in context.values.items()
        if not key.startswith(("aws:principal", "iot:"))
    ]


def simulate_identity(
    iot: IoTClient,
    identity_id: str,
    identity_pool_id: str,
    client_id: str,
    requests: Sequence[Request],
    *,
    with_policy: str | None,
) -> dict[Request, AwsDecision]:
    """Have AWS IoT test requests against the policies attached to an identity.

    AWS IoT also evaluates the identity pool's role for authenticated users, which might not be the user's, and a
    denial does not name its origin. So denied requests are tested again without the pool: a denial that remains is one
    of the IoT policies, unless it depends on a value that only the pool provides. Requests that might be denied by the
    role are left out.
    https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html#group-test-authorization
    https://docs.aws.amazon.com/iot/latest/apireference/API_AuthResult.html

    Args:
        iot: AWS IoT.
        identity_id: the identity.
        identity_pool_id: its identity pool.
        client_id: the MQTT client id.
        requests: the requests.
        with_policy: a policy that is tested as if it were attached; None to test only the attached ones.

    Raises:
        botocore.exceptions.ClientError: the call is not permitted.
    """
    added = [with_policy] if with_policy else []
    options: dict[str, Any] = {"principal": identity_id, "clientId": client_id, "policyNamesToAdd": added}
    decisions = _test(iot, requests, **options, cognitoIdentityPoolId=identity_pool_id)
    denied = [request for request, decision in decisions.items() if decision.outcome is not Outcome.ALLOWED]
    for request, decision in _test(iot, denied, **options).items():
        if decision.outcome is Outcome.ALLOWED or decision.missing:
            del decisions[request]
        else:
            decisions[request] = decision
    return decisions


def _test(iot: IoTClient, requests: Sequence[Request], **options: Any) -> dict[Request, AwsDecision]:
    decisions = {}
    for first in range(0, len(requests), _MAX_AUTH_INFOS):
        batch = requests[first : first + _MAX_AUTH_INFOS]
        results = iot.test_authorization(
            authInfos=[{"actionType": _IOT_ACTIONS[each.action], "resources": [each.resource]} for each in batch],
            **options,
        )["authResults"]
        for request, result in zip(batch, results, strict=True):
            denied = result.get("denied", {}).get("explicitDeny", {}).get("policies", [])
            decisions[request] = AwsDecision(
                outcome=_OUTCOMES[result["authDecision"]],
                operation="TestAuthorization",
                policies=tuple(each["policyName"] for each in denied),
                missing=tuple(result.get("missingContextValues", [])),
            )
    return decisions
