"""A variable in a resource of an IAM policy stands for its value; one without a value lets the resource match nothing.

ministack takes ``${...}`` for itself. Of a Cognito identity it does not know the variables either.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import sts

NEEDS = {iam_evaluator: ("_first_match", "_resolve_condition_key", "resolve_principal"), sts: ("_sessions",)}

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SERVICE = "cognito-identity.amazonaws.com"


def install() -> None:
    """Replace variables when statements are compared with a request, and tell the identity of who asks."""
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
    # Nothing is called so; a wildcard in a value would have to stand for itself.
    if any(not isinstance(value, str) or set(value) & {"*", "?"} for value in values.values()):
        return "\ue002"
    return _VARIABLE.sub(lambda variable: str(values[variable[1]]), resource)
