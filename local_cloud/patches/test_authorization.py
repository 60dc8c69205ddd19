"""TestAuthorization tells what the IoT policies attached to a principal allow, and which policy says so.

ministack does not know the operation. With an identity and its identity pool, AWS IoT considers the pool's role for
authenticated users as well; with only the pool, it considers the role for unauthenticated users. AWS documents neither
whether it names policies of these roles, which are left out here, nor the words of its refusals.
https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html#group-test-authorization
https://docs.aws.amazon.com/iot/latest/apireference/API_TestAuthorization.html
https://docs.aws.amazon.com/iot/latest/apireference/API_AuthResult.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ministack.core.iam_evaluator import _gather_role_policies, _permissions_boundary, evaluate
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import cognito, iam, iot

from local_cloud.iot_policy_documents import (
    default_document,
    request,
    statements,
    variables_of_identity,
    without_value,
)
from local_cloud.patches.iam_policies import role_request

_PATH = "/test-authorization"
_ACTIONS = {
    "CONNECT": "iot:Connect",
    "PUBLISH": "iot:Publish",
    "RECEIVE": "iot:Receive",
    "SUBSCRIBE": "iot:Subscribe",
}
_MOST_QUESTIONS, _LONGEST_RESOURCE = 10, 2048
_PRINCIPAL = re.compile(r"[\w-]+:[0-9a-f-]+|arn:[\w-]+:iot:[\w-]+:\d{12}:(?:cert|thinggroup)/.+")


class _RefusedError(Exception):
    """The request is not valid; the message says what is not."""


def install() -> None:
    """Answer the operation before ministack finds no route for it."""
    route = iot._route_request

    async def route_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Any:
        if (method, path) != ("POST", _PATH):
            return await route(method, path, headers, body, query_params)
        client_id = query_params.get("clientId")
        try:
            return _test_authorization(json.loads(body), client_id[0] if isinstance(client_id, list) else client_id)
        except _RefusedError as refusal:
            return error_response_json("InvalidRequestException", str(refusal), 400)

    iot._route_request = route_request


def _test_authorization(asked: Mapping[str, Any], client_id: str | None) -> Any:
    questions = asked.get("authInfos") or []
    if not 1 <= len(questions) <= _MOST_QUESTIONS:
        raise _RefusedError(f"authInfos must have 1 to {_MOST_QUESTIONS} items, not {len(questions)}.")
    pool_id = asked.get("cognitoIdentityPoolId")
    principal = asked.get("principal") or pool_id
    if principal is None or not _PRINCIPAL.fullmatch(principal):
        raise _RefusedError(f"Invalid principal: {principal}")
    added, skipped = asked.get("policyNamesToAdd", []), asked.get("policyNamesToSkip", [])
    if missing := next((name for name in [*added, *skipped] if name not in iot._policies), None):
        return iot._error_not_found("Policy", missing)
    variables = variables_of_identity(principal, pool_id, client_id)
    if not asked.get("principal"):
        policies, role = None, _role(pool_id, "unauthenticated", variables)
    else:
        role = _role(pool_id, "authenticated", variables)
        policies = [
            policy
            for name, policy in iot._policies.items()
            if name not in skipped and (name in added or principal in policy["targets"])
        ]
    return json_response({"authResults": [_result(each, principal, policies, variables, role) for each in questions]})


def _role(pool_id: str | None, kind: str, variables: Mapping[str, str]) -> Callable[[str, str], str] | None:
    """Return what decides on an action and a resource as the identity pool's role does; None without a pool."""
    if pool_id is None:
        return None
    pool = cognito._identity_pools.get(pool_id)
    if pool is None:
        raise _RefusedError(f"Invalid Cognito identity pool: {pool_id}")
    role_arn = str(pool.get("_roles", {}).get(kind, ""))
    name, account_id = role_arn.rpartition("/")[2], get_account_id()
    policies = _gather_role_policies(name, account_id) if name in iam._roles else []
    limits = _permissions_boundary(iam._roles, name, account_id) if name in iam._roles else []

    def decide(action: str, resource_arn: str) -> str:
        return str(evaluate(role_request(role_arn, action, resource_arn, variables), policies, *limits).decision)

    return decide


def _of_all(decisions: Iterable[str]) -> str:
    """Return the decision on several resources, all of which must be allowed."""
    decided = set(decisions)
    return "EXPLICIT_DENY" if "Deny" in decided else "ALLOWED" if decided == {"Allow"} else "IMPLICIT_DENY"


def _action(question: Mapping[str, Any]) -> str:
    """Return the action asked about.

    Raises:
        _RefusedError: the question is not valid.
    """
    action, resources = _ACTIONS.get(question.get("actionType", "")), question.get("resources") or []
    if action is None:
        raise _RefusedError(f"actionType must be one of {', '.join(_ACTIONS)}, not {question.get('actionType')}.")
    if not resources or any(len(each) > _LONGEST_RESOURCE for each in resources):
        raise _RefusedError(f"resources must be given, each of at most {_LONGEST_RESOURCE} characters.")
    return action


def _result(
    question: Mapping[str, Any],
    principal: str,
    attached: list[dict[str, Any]] | None,
    variables: Mapping[str, str],
    role: Callable[[str, str], str] | None,
) -> dict[str, Any]:
    """Return what attached policies decide, None for guests, who need none, and the role."""
    action, resources, policies = _action(question), question["resources"], attached or []
    said = {
        policy["policyName"]: {_decision(policy, principal, action, each, variables) for each in resources}
        for policy in policies
    }
    # A policy may allow one resource and deny another. All of them must be allowed, each by some policy.
    allowed = attached is None or all(
        any(_decision(policy, principal, action, each, variables) == "Allow" for policy in policies)
        for each in resources
    )
    denied = any("Deny" in decisions for decisions in said.values())
    decision = "EXPLICIT_DENY" if denied else "ALLOWED" if allowed else "IMPLICIT_DENY"
    if role and decision != "EXPLICIT_DENY":
        of_role = _of_all(role(action, each) for each in resources)
        decision = of_role if of_role != "ALLOWED" else decision
    return {
        "authInfo": {"actionType": question["actionType"], "resources": resources},
        "allowed": _named(policies, (name for name, decisions in said.items() if "Allow" in decisions)),
        "denied": {
            "implicitDeny": _named(policies, (name for name, decisions in said.items() if "ImplicitDeny" in decisions)),
            "explicitDeny": _named(policies, (name for name, decisions in said.items() if "Deny" in decisions)),
        },
        "authDecision": decision,
        "missingContextValues": sorted(
            {name for policy in policies for name in without_value(default_document(policy), variables)}
        ),
    }


def _decision(
    policy: dict[str, Any], principal: str, action: str, resource_arn: str, variables: Mapping[str, str]
) -> str:
    context = request(principal, get_account_id(), get_region(), action, resource_arn, variables)
    return str(evaluate(context, [statements(default_document(policy), variables)]).decision)


def _named(policies: list[dict[str, Any]], names: Iterable[str]) -> dict[str, Any]:
    wanted = set(names)
    return {
        "policies": [
            {"policyName": policy["policyName"], "policyArn": policy["policyArn"]}
            for policy in policies
            if policy["policyName"] in wanted
        ]
    }
