"""An authenticated Cognito identity may do on MQTT what its role *and* the policies attached to its identity id allow.

ministack asks the role alone. A guest's identity needs no attached policy.
https://docs.aws.amazon.com/iot/latest/developerguide/cognito-identities.html
https://docs.aws.amazon.com/iot/latest/developerguide/cognito-policy-variables.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document
from ministack.core.responses import request_scope
from ministack.services import iot, sts

# A wildcard in a substituted value, such as a client id of "*", stands for itself and must not widen the policy: it is
# replaced on both sides by a character that no policy holds.
_LITERAL = str.maketrans({"*": "\ue000", "?": "\ue001"})


def install() -> None:
    """Ask the attached policies too, wherever ministack asks for the right to connect, publish, subscribe or receive."""
    role_allows = iot._WSSession._policy_allows

    def policy_allows(session: Any, action: str, resource: str) -> bool:
        if not role_allows(session, action, resource):
            return False
        identity = _identity_of(session)
        return identity is None or _attached_policies_allow(session, identity, action, resource)

    iot._WSSession._policy_allows = policy_allows


@dataclass(frozen=True)
class _Identity:
    """The authenticated identity behind a session."""

    identity_id: str
    identity_pool_id: str


def _identity_of(session: Any) -> _Identity | None:
    if session.iam_credential is None:
        return None
    credentials = sts._sessions.get(session.iam_credential[0]) or {}
    if credentials.get("_cognito_auth_type") != "authenticated":
        return None
    return _Identity(credentials["_identity_id"], credentials["_identity_pool_id"])


def _attached_policies_allow(session: Any, identity: _Identity, action: str, resource: str) -> bool:
    variables = {
        "${iot:ClientId}": session._client_id,
        "${cognito-identity.amazonaws.com:sub}": identity.identity_id,
        "${cognito-identity.amazonaws.com:aud}": identity.identity_pool_id,
    }
    context = EvalContext(
        principal_arn=identity.identity_id,
        principal_type="CognitoIdentity",
        principal_account=session.account_id,
        action=action,
        resource_arn=f"arn:aws:iot:{session.region}:{session.account_id}:{resource.translate(_LITERAL)}",
        region=session.region,
        service_context={"iot:clientid": session._client_id},
    )
    with request_scope(session.account_id, session.region):
        attached = [
            policy for policy in iot._policies.values() if identity.identity_id in policy.get("targets", [])
        ]
        documents = [policy["versions"][policy["defaultVersionId"]]["document"] for policy in attached]
    policies = [parse_policy_document(_substitute(document, variables)) for document in documents]
    return bool(evaluate(context, policies).decision == "Allow")


def _substitute(document: str, variables: dict[str, str]) -> str:
    for variable, value in variables.items():
        document = document.replace(variable, json.dumps(value.translate(_LITERAL))[1:-1])
    return document
