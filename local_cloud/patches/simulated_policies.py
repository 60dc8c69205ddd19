"""SimulatePrincipalPolicy of a role evaluates its permissions boundary, every resource and the given context.

ministack evaluates only the role's policies for the first resource, finds no role that has a path, and requires the
permission for ``*`` instead of for the simulated principal. Missing context values are the condition keys and
variables without a value. The results of single resources and matched statements are not supported.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape

from ministack.core import iam_actions
from ministack.core.iam_evaluator import ParsedStatement, _gather_role_policies, _permissions_boundary, evaluate
from ministack.core.responses import get_account_id
from ministack.services import iam

from local_cloud.patches.iam_policies import role_request

_VARIABLE = re.compile(r"\$\{([^}*?$,]+)")


def install() -> None:
    """Simulate the policies of roles; leave users and groups to ministack."""
    simulate = iam._simulate_principal_policy

    def simulate_principal_policy(given: dict[str, Any]) -> Any:
        source = iam._p(given, "PolicySourceArn")
        return _simulate_role(given, source) if ":role/" in source else simulate(given)

    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], *request: Any
    ) -> str:
        if service == "iam" and iam._p(query, "Action") == "SimulatePrincipalPolicy":
            return str(iam._p(query, "PolicySourceArn")) or "*"
        arn: str = extract(service, method, path, headers, body, query, *request)
        return arn

    iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = simulate_principal_policy
    iam_actions.extract_resource_arn = extract_resource_arn


def _simulate_role(given: dict[str, Any], role_arn: str) -> Any:
    name, account_id = role_arn.rpartition("/")[2], get_account_id()
    if name not in iam._roles:
        return iam._error(404, "NoSuchEntity", f"The role with name {name} cannot be found.", ns="iam")
    policies = _gather_role_policies(name, account_id)
    boundaries = _permissions_boundary(iam._roles, name, account_id)
    context = _context(given)
    resources = list(_members(given, "ResourceArns")) or ["*"]
    missing = sorted(_required_keys([*policies, *(each for found in boundaries for each in found)]) - context.keys())
    results = []
    for action in _members(given, "ActionNames"):
        requests = [role_request(role_arn, action, each, context) for each in resources]
        decisions = {evaluate(each, policies, *boundaries).decision for each in requests}
        within = all(evaluate(each, boundary).decision == "Allow" for each in requests for boundary in boundaries)
        results.append(_result(action, resources[0], decisions, within if boundaries else None, missing))
    return iam._xml(
        200,
        "SimulatePrincipalPolicyResponse",
        f"<SimulatePrincipalPolicyResult><EvaluationResults>{''.join(results)}</EvaluationResults>"
        "<IsTruncated>false</IsTruncated></SimulatePrincipalPolicyResult>",
        ns="iam",
    )


def _required_keys(policies: Iterable[Iterable[ParsedStatement]]) -> set[str]:
    """Return the condition keys and variables in lower case, except those of the role, which IAM knows."""
    keys = set()
    for statement in (each for policy in policies for each in policy):
        keys |= {key.lower() for tests in statement.conditions.values() for key in tests}
        for resource in (*statement.resources, *statement.not_resources):
            keys |= {name.lower() for name in _VARIABLE.findall(resource)}
    return {each for each in keys if not each.startswith("aws:principal")}


def _result(
    action: str, resource: str, decisions: set[str], within_boundary: bool | None, missing: Collection[str]
) -> str:
    """Return an action's result: the severest decision of its resources, and whether the boundary allows all."""
    decision = "explicitDeny" if "Deny" in decisions else "allowed" if decisions == {"Allow"} else "implicitDeny"
    boundary = (
        ""
        if within_boundary is None
        else "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>"
        f"{str(within_boundary).lower()}</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>"
    )
    keys = "".join(f"<member>{escape(each)}</member>" for each in missing)
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName><EvalDecision>{decision}</EvalDecision>"
        f"<MatchedStatements/><MissingContextValues>{keys}</MissingContextValues>{boundary}</member>"
    )


def _context(given: dict[str, Any]) -> dict[str, Any]:
    """Return the request's context by keys in lower case."""
    entries: dict[str, Any] = {}
    number = 1
    while key := iam._p(given, f"ContextEntries.member.{number}.ContextKeyName"):
        values = list(_members(given, f"ContextEntries.member.{number}.ContextKeyValues"))
        is_list = iam._p(given, f"ContextEntries.member.{number}.ContextKeyType").endswith("List")
        entries[key.lower()] = values if is_list else values[0]
        number += 1
    return entries


def _members(given: dict[str, Any], name: str) -> Iterator[str]:
    """Yield the members of a list in a query's parameters."""
    number = 1
    while value := iam._p(given, f"{name}.member.{number}"):
        yield value
        number += 1
