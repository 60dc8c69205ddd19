"""IAM evaluates policies as AWS does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, sts


def install() -> None:
    """Install each part."""
    _pretend_tls()
    _add_managed_policies()
    _replace_variables()
    _name_boundary_in_denials()


def _pretend_tls() -> None:
    """Set ``aws:SecureTransport`` on every request, because AWS endpoints are reached by TLS.

    ministack serves plain HTTP, which the policy of CDK's staging bucket denies.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport
    """
    pin = app.pin_request_origin

    def pin_request_origin(source_ip: str, secure_transport: bool) -> None:  # noqa: ARG001
        pin(source_ip, True)

    app.pin_request_origin = pin_request_origin


_DOCUMENTS = Path(__file__).parent.parent / "managed_policies"


def _add_managed_policies() -> None:
    """Add AWSIoTDataAccess and AWSIoTConfigAccess. ministack allows everything by managed policies it does not know.

    https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSIoTDataAccess.html
    https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSIoTConfigAccess.html
    """
    for file in sorted(_DOCUMENTS.glob("*.json")):
        document = {key: value for key, value in json.loads(file.read_text()).items() if key != "_source"}
        record = iam._make_aws_managed_record(file.stem, json.dumps(document))
        iam._aws_managed_policies[f"arn:aws:iam::aws:policy/{file.stem}"] = record


_VARIABLE = re.compile(r"\$\{([^}]*)\}")

_SERVICE = "cognito-identity.amazonaws.com"


def _replace_variables() -> None:
    """Replace variables in the resources of IAM policies, also those of a Cognito identity. ministack does not.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
    """
    first_match, resolve_principal = iam_evaluator._first_match, iam_evaluator.resolve_principal

    def first_match_with_values(context: Any, statements: list[Any], effect: str) -> Any:
        return first_match(context, [_with_values(each, context) for each in statements], effect)

    def resolve_principal_and_identity(access_key_id: str, *details: Any, **named: Any) -> Any:
        principal = resolve_principal(access_key_id, *details, **named)
        session = sts._sessions.get(access_key_id) or {}
        if isinstance(principal, iam_evaluator.PrincipalInfo) and session.get("_identity_id"):
            known = {f"{_SERVICE}:sub": session["_identity_id"], f"{_SERVICE}:aud": session["_identity_pool_id"]}
            return replace(principal, keys={**principal.keys, **known})
        return principal

    iam_evaluator._first_match = first_match_with_values
    iam_evaluator.resolve_principal = resolve_principal_and_identity


def _with_values(statement: Any, context: Any) -> Any:
    if not any("${" in each for each in (*statement.resources, *statement.not_resources)):
        return statement
    return replace(
        statement,
        resources=[_value(each, context) for each in statement.resources],
        not_resources=[_value(each, context) for each in statement.not_resources],
    )


def _value(resource: str, context: Any) -> str:
    values = {name: iam_evaluator._resolve_condition_key(name, context) for name in _VARIABLE.findall(resource)}
    # A resource matches nothing if a variable has no value, or one with a wildcard, which would be literal.
    if any(not isinstance(value, str) or set(value) & {"*", "?"} for value in values.values()):
        return "\ue002"
    return _VARIABLE.sub(lambda variable: str(values[variable[1]]), resource)


def _name_boundary_in_denials() -> None:
    """Name the permissions boundary in a denial if only it denies. ministack always names identity-based policies.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    respond = iam_actions.access_denied_response

    def access_denied_response(
        service: str, action: str, principal_arn: str, request_id: str, **details: Any
    ) -> tuple[int, dict[str, str], bytes]:
        resource_arn = details.get("resource_arn", "*")
        undecided = not (details.get("error_code") or details.get("message") or details.get("explicit_deny"))
        if undecided and _only_boundary_denies(principal_arn, action, resource_arn):
            details["message"] = (
                f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource_arn} "
                f"because no permissions boundary allows the {action} action"
            )
        response: tuple[int, dict[str, str], bytes] = respond(service, action, principal_arn, request_id, **details)
        return response

    iam_actions.access_denied_response = access_denied_response


def _only_boundary_denies(principal_arn: str, action: str, resource_arn: str) -> bool:
    if ":assumed-role/" not in principal_arn:
        return False
    role_name = iam_evaluator._role_name_from_assumed_arn(principal_arn)
    return role_policies_allow(principal_arn, role_name, action, resource_arn)


def role_policies_allow(principal_arn: str, role_name: str, action: str, resource_arn: str) -> bool:
    """Return whether a role's policies, without its boundary, allow an action; the role is in the request's account."""
    policies = iam_evaluator._gather_role_policies(role_name, get_account_id())
    return bool(iam_evaluator.evaluate(role_request(principal_arn, action, resource_arn), policies).decision == "Allow")


def role_request(
    principal_arn: str, action: str, resource_arn: str, keys: Mapping[str, Any] | None = None
) -> iam_evaluator.EvalContext:
    """Return a role's request to evaluate, with the given condition keys."""
    return iam_evaluator.EvalContext(
        principal_arn=principal_arn,
        principal_type="AssumedRole",
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource_arn,
        region=get_region(),
        service_context=dict(keys or {}),
    )
