"""AWS IoT policies: they authorize identities, are limited in number, and list their targets in pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core.iam_evaluator import evaluate
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, request_scope
from ministack.services import iot, iot_data, sts

from local_cloud.iot_policy_documents import default_document, request, statements, variables_of_identity
from local_cloud.paging import SortedKeys, TokenError
from local_cloud.propagation import POLICIES, PolicyTarget


def install() -> None:
    """Install each part."""
    _require_attached_policies()
    _delay_changes()
    _limit_attached_policies()
    _limit_versions()
    _list_targets_in_pages()


@dataclass(frozen=True)
class _Identity:
    """The authenticated identity behind an access key, and where it acts."""

    identity_id: str
    identity_pool_id: str
    account_id: str
    region: str


def _require_attached_policies() -> None:
    """Authorize an authenticated Cognito identity only if its role *and* its attached policies allow the action.

    ministack evaluates only the role. That is enough for guests. Publishing by HTTPS is authorized in the same way.
    https://docs.aws.amazon.com/iot/latest/developerguide/cognito-identities.html
    https://docs.aws.amazon.com/iot/latest/developerguide/basic-policy-variables.html
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
    """
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


def _identity(credential: tuple[str, ...] | None, account_id: str, region: str) -> _Identity | None:
    session = sts._sessions.get(credential[0]) if credential else None
    if not session or session.get("_cognito_auth_type") != "authenticated":
        return None
    return _Identity(session["_identity_id"], session["_identity_pool_id"], account_id, region)


def _attached_policies_allow(identity: _Identity, action: str, resource: str, client_id: str | None = None) -> bool:
    arn = f"arn:aws:iot:{identity.region}:{identity.account_id}:{resource}"
    with request_scope(identity.account_id, identity.region):
        variables = variables_of_identity(identity.identity_id, identity.identity_pool_id, client_id)
        attached = [policy for policy in iot._policies.values() if identity.identity_id in policy["targets"]]
    documents = {policy["policyName"]: default_document(policy) for policy in attached}
    effective = POLICIES.effective(PolicyTarget(identity.account_id, identity.region, identity.identity_id), documents)
    context = request(identity.identity_id, identity.account_id, identity.region, action, arn, variables)
    policies = [statements(document, variables) for document in effective.values()]
    return bool(evaluate(context, policies).decision == "Allow")


def _delay_changes() -> None:
    """Record what changes of policies and attachments mean for their targets, if a delay is set."""
    iot._change_policy_target = _recording(iot._change_policy_target, lambda _, target: [target])
    for name in ("_create_policy_version", "_set_default_policy_version"):
        setattr(iot, name, _recording(getattr(iot, name), _targets))


def _recording(change: Callable[..., Any], find_targets: Callable[..., list[str]]) -> Callable[..., Any]:
    def change_and_record(policy_name: str, *details: Any, **options: Any) -> Any:
        if not POLICIES.seconds:
            return change(policy_name, *details, **options)
        targets = find_targets(policy_name, *details)
        before = _documents_by_target(policy_name, targets)
        answer = change(policy_name, *details, **options)
        POLICIES.changed(policy_name, before, _documents_by_target(policy_name, targets))
        return answer

    return change_and_record


def _targets(policy_name: str, *_: Any) -> list[str]:
    policy = iot._policies.get(policy_name)
    return list(policy["targets"]) if policy else []


def _documents_by_target(policy_name: str, targets: list[str]) -> dict[PolicyTarget, str]:
    policy = iot._policies.get(policy_name)
    attached = [
        PolicyTarget(get_account_id(), get_region(), each) for each in targets if policy and each in policy["targets"]
    ]
    return dict.fromkeys(attached, default_document(policy)) if attached else {}


_MAX_ATTACHED = 10


def _limit_attached_policies() -> None:
    """Attach at most ten policies to an identity. ministack attaches any number.

    https://docs.aws.amazon.com/general/latest/gr/iot-core.html#limits_iot
    https://docs.aws.amazon.com/iot/latest/apireference/API_AttachPolicy.html
    """
    change = iot._change_policy_target

    def change_policy_target(name: str, target: str | None, *, attach: bool, **options: Any) -> Any:
        policy = iot._policies.get(name)
        if attach and target and policy is not None and target not in policy.get("targets", []):
            attached = sum(target in each.get("targets", []) for each in iot._policies.values())
            if attached >= _MAX_ATTACHED:
                message = f"The maximum number of policies attached to the principal {target} is {_MAX_ATTACHED}"
                return error_response_json("LimitExceededException", message, 410)
        return change(name, target, attach=attach, **options)

    iot._change_policy_target = change_policy_target


_MAX_VERSIONS = 5


def _limit_versions() -> None:
    """Reject a sixth version of a policy until one is deleted. ministack keeps any number.

    https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicyVersion.html
    https://docs.aws.amazon.com/general/latest/gr/iot-core.html#security-limits
    """
    create = iot._create_policy_version

    def create_policy_version(name: str, *request: Any) -> Any:
        policy = iot._policies.get(name)
        if policy and len(policy["versions"]) >= _MAX_VERSIONS:
            return error_response_json(
                "VersionsLimitExceededException",
                f"The policy {name} already has the maximum number of versions ({_MAX_VERSIONS})",
                409,
            )
        return create(name, *request)

    iot._create_policy_version = create_policy_version


_DEFAULT_PAGE, _LARGEST_PAGE = 25, 250
_TARGETS_PATH = "/policy-targets/"


def _list_targets_in_pages() -> None:
    """List the targets of a policy in pages, sorted. ministack returns all, and searches all for every attachment.

    AWS documents neither an order nor the default page size. 25 is the default of similar lists.
    https://docs.aws.amazon.com/iot/latest/apireference/API_ListTargetsForPolicy.html
    https://docs.aws.amazon.com/iot/latest/apireference/API_ListCACertificates.html
    """
    create, load = iot._create_policy, iot.load_persisted_state

    def create_policy(name: str, payload: dict[str, Any]) -> Any:
        answer = create(name, payload)
        if answer[0] < 400:
            iot._policies[name]["targets"] = SortedKeys()
        return answer

    def load_persisted_state(data: Any) -> None:
        load(data)
        for policy in iot._policies.all_values():
            policy["targets"] = SortedKeys(policy["targets"])

    iot._create_policy = create_policy
    iot.load_persisted_state = load_persisted_state
    iot._list_targets_for_policy = _list_targets_for_policy


def _list_targets_for_policy(path: str, query: dict[str, str]) -> Any:
    name = path.removeprefix(_TARGETS_PATH)
    policy = iot._policies.get(name)
    if policy is None:
        return iot._error_not_found("Policy", name)
    size = query.get("pageSize", str(_DEFAULT_PAGE))
    if not size.isdecimal() or not 1 <= int(size) <= _LARGEST_PAGE:
        return _invalid_request(f"Value '{size}' at 'pageSize': allowed is 1 to {_LARGEST_PAGE}.")
    try:
        page = policy["targets"].page(policy["policyArn"], query.get("marker"), int(size))
    except TokenError:
        return _invalid_request("Value at 'marker' was not issued for this policy.")
    return json_response({"targets": page.keys} | ({"nextMarker": page.next_token} if page.next_token else {}))


def _invalid_request(message: str) -> Any:
    return error_response_json("InvalidRequestException", message, 400)
