"""SimulatePrincipalPolicy asks a role's permissions boundary too, for each resource, with the context that is given.

ministack asks the role's policies alone, for the first resource, and finds no role that has a path. Who simulates needs
the permission on the principal simulated, where ministack wants it on ``*``.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from xml.sax.saxutils import escape

from ministack.core import iam_actions
from ministack.core.iam_evaluator import _gather_role_policies, _permissions_boundary, evaluate
from ministack.core.responses import get_account_id
from ministack.services import iam

from local_cloud.patches.iam_policies import role_request

_DECISIONS = {"Allow": "allowed", "Deny": "explicitDeny", "ImplicitDeny": "implicitDeny"}
_SEVEREST_FIRST = ("explicitDeny", "implicitDeny", "allowed")


def install() -> None:
    """Simulate a role's policies in place of ministack; those of users and groups are left to it."""
    simulate = iam._simulate_principal_policy

    def simulate_principal_policy(asked: dict[str, Any]) -> Any:
        source = iam._p(asked, "PolicySourceArn")
        if ":role/" not in source:
            return simulate(asked)
        return _simulate_role(asked, source)

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


def _simulate_role(asked: dict[str, Any], role_arn: str) -> Any:
    name = role_arn.rpartition("/")[2]
    if name not in iam._roles:
        return iam._error(404, "NoSuchEntity", f"The role with name {name} cannot be found.", ns="iam")
    decide = _decider(role_arn, name, _context(asked))
    resources = list(_members(asked, "ResourceArns")) or ["*"]
    results = "".join(_result(action, resources, decide) for action in _members(asked, "ActionNames"))
    return iam._xml(
        200,
        "SimulatePrincipalPolicyResponse",
        f"<SimulatePrincipalPolicyResult><EvaluationResults>{results}</EvaluationResults>"
        "<IsTruncated>false</IsTruncated></SimulatePrincipalPolicyResult>",
        ns="iam",
    )


def _decider(role_arn: str, role_name: str, context: dict[str, Any]) -> Callable[[str, str], tuple[str, bool | None]]:
    """Return what decides on an action and a resource, and tells whether the boundary allows it, if there is one."""
    account_id = get_account_id()
    policies = _gather_role_policies(role_name, account_id)
    limits = _permissions_boundary(iam._roles, role_name, account_id)

    def decide(action: str, resource_arn: str) -> tuple[str, bool | None]:
        request = role_request(role_arn, action, resource_arn, context)
        bounded = all(evaluate(request, limit).decision == "Allow" for limit in limits) if limits else None
        return _DECISIONS[evaluate(request, policies, *limits).decision], bounded

    return decide


def _result(action: str, resources: list[str], decide: Callable[[str, str], tuple[str, bool | None]]) -> str:
    """Return an action's result: the severest of its resources', and each."""
    decided = {resource: decide(action, resource) for resource in resources}
    severest = min((decision for decision, _ in decided.values()), key=_SEVEREST_FIRST.index)
    bounded = [each for _, each in decided.values() if each is not None]
    specific = "".join(
        f"<member><EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalResourceDecision>{decision}</EvalResourceDecision>{_boundary(within)}</member>"
        for resource, (decision, within) in decided.items()
    )
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resources[0])}</EvalResourceName><EvalDecision>{severest}</EvalDecision>"
        f"<MatchedStatements/><MissingContextValues/>{_boundary(all(bounded) if bounded else None)}"
        f"<ResourceSpecificResults>{specific}</ResourceSpecificResults></member>"
    )


def _boundary(allowed: bool | None) -> str:
    if allowed is None:
        return ""
    inner = f"<AllowedByPermissionsBoundary>{str(allowed).lower()}</AllowedByPermissionsBoundary>"
    return f"<PermissionsBoundaryDecisionDetail>{inner}</PermissionsBoundaryDecisionDetail>"


def _context(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the context that the request gives, by keys in lower case."""
    entries: dict[str, Any] = {}
    number = 1
    while key := iam._p(asked, f"ContextEntries.member.{number}.ContextKeyName"):
        values = list(_members(asked, f"ContextEntries.member.{number}.ContextKeyValues"))
        is_list = iam._p(asked, f"ContextEntries.member.{number}.ContextKeyType").endswith("List")
        entries[key.lower()] = values if is_list else values[0]
        number += 1
    return entries


def _members(asked: dict[str, Any], name: str) -> Iterator[str]:
    """Yield the members of a list in a query's parameters."""
    number = 1
    while value := iam._p(asked, f"{name}.member.{number}"):
        yield value
        number += 1
