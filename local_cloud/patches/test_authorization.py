"""TestAuthorization, which ministack lacks: what the IoT policies attached to an identity allow.

If the identity pool is given, AWS IoT also evaluates the pool's role for authenticated users. AWS does not document
whether it names the role's policies, which are left out here, nor the texts of its errors. Guests,
``policyNamesToSkip`` and the names of policies that allow an action are not supported.
https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html#group-test-authorization
https://docs.aws.amazon.com/iot/latest/apireference/API_TestAuthorization.html
https://docs.aws.amazon.com/iot/latest/apireference/API_AuthResult.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
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
_MAX_AUTH_INFOS, _MAX_RESOURCE_LENGTH = 10, 2048
_IDENTITY_ID = re.compile(r"[\w-]+:[0-9a-f-]+")

Decide = Callable[[str, str], str]
"""Returns ``Allow``, ``Deny`` or ``ImplicitDeny`` for an action and a resource."""


class _InvalidRequestError(Exception):
    """The request is not valid; the message gives the reason."""


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
        except _InvalidRequestError as error:
            return error_response_json("InvalidRequestException", str(error), 400)

    iot._route_request = route_request


def _test_authorization(given: Mapping[str, Any], client_id: str | None) -> Any:
    infos = given.get("authInfos") or []
    if not 1 <= len(infos) <= _MAX_AUTH_INFOS:
        raise _InvalidRequestError(f"authInfos must have 1 to {_MAX_AUTH_INFOS} items, not {len(infos)}.")
    identity_id, pool_id = given.get("principal"), given.get("cognitoIdentityPoolId")
    if identity_id is None or not _IDENTITY_ID.fullmatch(identity_id):
        raise _InvalidRequestError(f"Invalid principal: {identity_id}")
    added = given.get("policyNamesToAdd", [])
    if missing := next((name for name in added if name not in iot._policies), None):
        return iot._error_not_found("Policy", missing)
    variables = variables_of_identity(identity_id, pool_id, client_id)
    policies = {
        name: default_document(policy)
        for name, policy in iot._policies.items()
        if name in added or identity_id in policy["targets"]
    }
    decide_by_role = _role(pool_id, variables) if pool_id else None
    return json_response(
        {"authResults": [_result(each, identity_id, policies, variables, decide_by_role) for each in infos]}
    )


def _role(pool_id: str, variables: Mapping[str, str]) -> Decide:
    """Return the decisions of an identity pool's role for authenticated users."""
    pool = cognito._identity_pools.get(pool_id)
    if pool is None:
        raise _InvalidRequestError(f"Invalid Cognito identity pool: {pool_id}")
    role_arn = str(pool.get("_roles", {}).get("authenticated", ""))
    name, account_id = role_arn.rpartition("/")[2], get_account_id()
    policies = _gather_role_policies(name, account_id) if name in iam._roles else []
    limits = _permissions_boundary(iam._roles, name, account_id) if name in iam._roles else []

    def decide(action: str, resource_arn: str) -> str:
        return str(evaluate(role_request(role_arn, action, resource_arn, variables), policies, *limits).decision)

    return decide


def _result(
    info: Mapping[str, Any],
    identity_id: str,
    policies: Mapping[str, str],
    variables: Mapping[str, str],
    decide_by_role: Decide | None,
) -> dict[str, Any]:
    """Return the result of one of the ``authInfos``, given the documents of the policies by name."""
    action, resources = _action(info), info["resources"]
    denying = {
        name
        for name, document in policies.items()
        if any(_decide([document], identity_id, action, each, variables) == "Deny" for each in resources)
    }
    documents = [*policies.values()]
    decisions = {_decide(documents, identity_id, action, each, variables) for each in resources}
    if decide_by_role:
        decisions |= {decide_by_role(action, each) for each in resources}
    decision = "EXPLICIT_DENY" if "Deny" in decisions else "ALLOWED" if decisions == {"Allow"} else "IMPLICIT_DENY"
    return {
        "authInfo": {"actionType": info["actionType"], "resources": resources},
        "denied": {"explicitDeny": {"policies": [{"policyName": name} for name in sorted(denying)]}},
        "authDecision": decision,
        "missingContextValues": sorted({name for each in documents for name in without_value(each, variables)}),
    }


def _action(info: Mapping[str, Any]) -> str:
    action, resources = _ACTIONS.get(info.get("actionType", "")), info.get("resources") or []
    if action is None:
        raise _InvalidRequestError(f"actionType must be one of {', '.join(_ACTIONS)}, not {info.get('actionType')}.")
    if not resources or any(len(each) > _MAX_RESOURCE_LENGTH for each in resources):
        raise _InvalidRequestError(f"resources must be given, each of at most {_MAX_RESOURCE_LENGTH} characters.")
    return action


def _decide(
    documents: Sequence[str], identity_id: str, action: str, resource_arn: str, variables: Mapping[str, str]
) -> str:
    context = request(identity_id, get_account_id(), get_region(), action, resource_arn, variables)
    return str(evaluate(context, [statements(each, variables) for each in documents]).decision)
