"""An authenticated Cognito identity may do on AWS IoT what its role *and* its attached policies allow.

Policies are attached to the identity id. ministack asks the role alone. A guest's identity needs no policy.
https://docs.aws.amazon.com/iot/latest/developerguide/cognito-identities.html
https://docs.aws.amazon.com/iot/latest/developerguide/basic-policy-variables.html
https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html

A change acts after the delay that was set, if any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core.iam_evaluator import evaluate
from ministack.core.responses import error_response_json, get_account_id, get_region, request_scope
from ministack.services import iot, iot_data, sts

from local_cloud.consistency import POLICIES, Target
from local_cloud.iot_policy_documents import default_document, request, statements, variables_of_identity

_VERSION_CHANGES = ("_create_policy_version", "_set_default_policy_version")


@dataclass(frozen=True)
class _Identity:
    """The authenticated identity behind an access key, and where it acts."""

    identity_id: str
    identity_pool_id: str
    account_id: str
    region: str


def install() -> None:
    """Ask the attached policies too: on MQTT wherever ministack asks the role, and on publishing by HTTPS."""
    role_allows = iot._WSSession._policy_allows
    publish = iot_data._publish

    def policy_allows(session: Any, action: str, resource: str) -> bool:
        if not role_allows(session, action, resource):
            return False
        identity = _identity(session.iam_credential, session.account_id, session.region)
        return identity is None or _attached_policies_allow(identity, action, resource, session._client_id)

    async def publish_over_https(
        topic: str, body: bytes, query: dict[str, str], headers: dict[str, str], access_key: str
    ) -> Any:
        identity = _identity((access_key,), get_account_id(), get_region())
        needed = ["iot:Publish", *(["iot:RetainPublish"] if query.get("retain") == "true" else [])]
        if identity and not all(_attached_policies_allow(identity, each, f"topic/{topic}") for each in needed):
            return error_response_json("ForbiddenException", "Forbidden", 403)
        return await publish(topic, body, query, headers, access_key)

    iot._WSSession._policy_allows = policy_allows
    iot_data._publish = publish_over_https
    iot._change_policy_target = _noting_what_changes(iot._change_policy_target, lambda _, target: [target])
    for name in _VERSION_CHANGES:
        setattr(iot, name, _noting_what_changes(getattr(iot, name), _targets))


def _noting_what_changes(change: Callable[..., Any], concerned: Callable[..., list[str]]) -> Callable[..., Any]:
    """Note what a change does to the targets concerned, which are told by the same arguments."""

    def noted(policy_name: str, *details: Any, **options: Any) -> Any:
        if not POLICIES.seconds:
            return change(policy_name, *details, **options)
        targets = concerned(policy_name, *details)
        before = _documents_by_target(policy_name, targets)
        answer = change(policy_name, *details, **options)
        POLICIES.changed(policy_name, before, _documents_by_target(policy_name, targets))
        return answer

    return noted


def _targets(policy_name: str, *_: Any) -> list[str]:
    policy = iot._policies.get(policy_name)
    return list(policy["targets"]) if policy else []


def _documents_by_target(policy_name: str, targets: list[str]) -> dict[Target, str]:
    policy = iot._policies.get(policy_name)
    attached = [
        Target(get_account_id(), get_region(), each) for each in targets if policy and each in policy["targets"]
    ]
    return dict.fromkeys(attached, default_document(policy)) if attached else {}


def _identity(credential: tuple[str, ...] | None, account_id: str, region: str) -> _Identity | None:
    session = sts._sessions.get(credential[0]) if credential else None
    if not session or session.get("_cognito_auth_type") != "authenticated":
        return None
    return _Identity(session["_identity_id"], session["_identity_pool_id"], account_id, region)


def _attached_policies_allow(identity: _Identity, action: str, resource: str, client_id: str | None = None) -> bool:
    variables = variables_of_identity(identity.identity_id, identity.identity_pool_id, client_id)
    arn = f"arn:aws:iot:{identity.region}:{identity.account_id}:{resource}"
    context = request(identity.identity_id, identity.account_id, identity.region, action, arn, variables)
    with request_scope(identity.account_id, identity.region):
        attached = [policy for policy in iot._policies.values() if identity.identity_id in policy["targets"]]
    documents = {policy["policyName"]: default_document(policy) for policy in attached}
    acting = POLICIES.acting(Target(identity.account_id, identity.region, identity.identity_id), documents)
    policies = [statements(document, variables) for document in acting.values()]
    return bool(evaluate(context, policies).decision == "Allow")
