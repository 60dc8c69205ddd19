"""IAM roles: their policies, the decisions of IAM's policy simulator, and whether they trust signed-in users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pubsub_cli.iam.documents import VERSION, Policy, Statement, listed
from pubsub_cli.iam.evaluation import AwsDecision, Outcome
from pubsub_cli.iam.request import Request, RequestContext
from pubsub_client.policy_document import IDENTITY_SERVICES, identity_service

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient
    from types_boto3_iam.type_defs import ContextEntryTypeDef, EvaluationResultTypeDef

_ASSUME, _TAG = "sts:AssumeRoleWithWebIdentity", "sts:TagSession"
_OUTCOMES = {
    "allowed": Outcome.ALLOWED,
    "explicitDeny": Outcome.EXPLICIT_DENY,
    "implicitDeny": Outcome.IMPLICIT_DENY,
}


@dataclass(frozen=True)
class Role:
    """A role with its inline and attached policies and its permissions boundary."""

    name: str
    arn: str
    policies: tuple[Policy, ...]
    boundary: Policy | None


def role_name(role_arn: str) -> str:
    """Return the name from a role's ARN, which can have a path."""
    return role_arn.rpartition("/")[2]


def read_role(iam: IAMClient, role_arn: str) -> Role:
    """Read a role and its policies. Of managed policies, read the version in effect.

    Raises:
        iam.exceptions.NoSuchEntityException: there is no such role, or a policy was deleted meanwhile.
        botocore.exceptions.ClientError: reading is not permitted.
    """
    name = role_name(role_arn)
    # boto3 decodes documents, although their type is a string.
    role: Any = iam.get_role(RoleName=name)["Role"]
    inline = [
        each for page in iam.get_paginator("list_role_policies").paginate(RoleName=name) for each in page["PolicyNames"]
    ]
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return Role(
        name=name,
        arn=role["Arn"],
        policies=(
            *(_inline(iam, name, each) for each in inline),
            *(_managed(iam, each, "the policy") for each in attached_policies(iam, name).values()),
        ),
        boundary=_managed(iam, boundary, "the permissions boundary") if boundary else None,
    )


def attached_policies(iam: IAMClient, name: str) -> dict[str, str]:
    """Return the ARNs of the policies attached to a role, by policy name.

    Raises:
        iam.exceptions.NoSuchEntityException: there is no such role.
        botocore.exceptions.ClientError: reading is not permitted.
    """
    pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
    return {each["PolicyName"]: each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]}


def _inline(iam: IAMClient, role: str, name: str) -> Policy:
    document: Any = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return Policy.read(f"the inline policy {name}", name, document)


def _managed(iam: IAMClient, arn: str, kind: str) -> Policy:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document: Any = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return Policy.read(f"{kind} {arn.rpartition('/')[2]}", arn, document)


def simulate_role(
    iam: IAMClient, role_arn: str, requests: Sequence[Request], context: RequestContext
) -> dict[Request, AwsDecision]:
    """Have IAM simulate a role's requests, including the organization's policies.

    Each resource needs its own call, because IAM returns one decision for each action.
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
    """Return the values of the user's session. The simulator already knows those of the role."""
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


def trust_policy(region: str, identity_pool_id: str, *, with_tags: bool = False) -> dict[str, Any]:
    """Return the trust policy that the stack deploys for the role of signed-in users.

    https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/using-afac-with-cognito-identity-pools.html

    Args:
        region: the region of the identity pool.
        identity_pool_id: the identity pool.
        with_tags: whether the identity pool gives its users principal tags.
    """
    service = identity_service(region)
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": service},
        "Action": [_ASSUME, _TAG] if with_tags else _ASSUME,
        "Condition": {
            "StringEquals": {f"{service}:aud": identity_pool_id},
            "ForAnyValue:StringLike": {f"{service}:amr": "authenticated"},
        },
    }
    return {"Version": VERSION, "Statement": [statement]}


def trusted_pools(document: Mapping[str, Any], region: str) -> set[str]:
    """Return the ids of the identity pools that a trust policy allows."""
    service = identity_service(region)
    key = f"{service}:aud"
    statements = Policy.read("the trust policy", "", document).statements
    return {
        pool
        for each in statements
        if each.allows and _names(each, service)
        for condition in each.conditions
        if condition.key == key
        for pool in condition.expected
    }


def why_not_trusted(
    document: Mapping[str, Any], region: str, context: RequestContext, *, with_tags: bool = False
) -> str | None:
    """Return why a trust policy does not let signed-in users assume its role; None if it does.

    A condition counts as met if its answer is not known; see :func:`unknown_trust_conditions`.

    Args:
        document: the role's trust policy.
        region: the region of the identity pool.
        context: the values of condition keys of the users' requests.
        with_tags: whether the identity pool gives its users principal tags.
    """
    service = identity_service(region)
    statements = [each for each in Policy.read("the trust policy", "", document).statements if _names(each, service)]
    for statement in statements:
        if not statement.allows and statement.covers_action(_ASSUME) and statement.is_met(context):
            return f"denies it: {statement.text}"
    allowing = [each for each in statements if each.allows]
    if not allowing:
        return f"has no principal Federated: {service}"
    if not (assuming := [each for each in allowing if each.covers_action(_ASSUME)]):
        return f"does not allow {service} the action {_ASSUME}"
    unmet = [_unmet(each, context) for each in assuming]
    if all(unmet):
        return "; ".join(unmet)
    tagging = any(each.covers_action(_TAG) and not _unmet(each, context) for each in allowing)
    if with_tags and not tagging:
        return f"does not allow {service} the action {_TAG}, which the identity pool's principal tags need"
    return None


def unknown_trust_conditions(
    document: Mapping[str, Any], region: str, context: RequestContext, *, with_tags: bool = False
) -> list[str]:
    """Return the condition keys with unknown values that decide whether signed-in users can assume a role.

    The arguments are those of :func:`why_not_trusted`, which has found no reason against the users.
    """
    service = identity_service(region)
    statements = [each for each in Policy.read("the trust policy", "", document).statements if _names(each, service)]
    undecided = [each for each in statements if not each.allows and each.covers_action(_ASSUME)]
    for action in (_ASSUME, _TAG) if with_tags else (_ASSUME,):
        allowing = [each for each in statements if each.allows and each.covers_action(action)]
        if not any(each.is_met(context) for each in allowing):
            undecided += allowing
    keys = (key for each in undecided if each.is_met(context) is None for key in each.unknown_keys(context))
    return list(dict.fromkeys(keys))


def _names(statement: Statement, service: str) -> bool:
    """Return whether the principal of a statement is, or includes, a service."""
    principal = statement.source.get("Principal")
    if principal == "*":
        return True
    return isinstance(principal, dict) and bool({service, "*"} & set(listed(principal.get("Federated"))))


def _unmet(statement: Statement, context: RequestContext) -> str:
    return " and ".join(
        f"requires {key} to be {' or '.join(expected)} ({operator}), but it is "
        f"{' or '.join(context.values_of(key) or ('absent',))}"
        for operator, key, expected in statement.unmet_conditions(context)
    )
