"""Replaces variables in IoT policies, as AWS IoT does before it evaluates them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from ministack.core.iam_evaluator import EvalContext, parse_policy_document
from ministack.services import iot

_THING = "iot:connection.thing."
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
# A wildcard in a client id or topic is literal and must not widen a policy that contains it through a variable. So it
# is replaced, in values and requests, by a character that is in no topic. A variable without a value matches nothing.
_LITERAL = str.maketrans({"*": "\ue000", "?": "\ue001"})
_NO_VALUE = "\ue002"


def variables_of_identity(identity_id: str, identity_pool_id: str | None, client_id: str | None) -> dict[str, str]:
    """Return the policy variables of a Cognito identity that have a value, by their names in lower case."""
    values = {
        "cognito-identity.amazonaws.com:sub": identity_id,
        "cognito-identity.amazonaws.com:aud": identity_pool_id,
        "iot:clientid": client_id,
        **_variables_of_thing(identity_id, client_id),
    }
    return {name: value for name, value in values.items() if value is not None}


def _variables_of_thing(identity_id: str, client_id: str | None) -> dict[str, str | None]:
    """Return the variables of the thing that has the client id as its name, if it is attached to the identity.

    https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html
    """
    thing = iot._things.get(client_id) if client_id else None
    if thing is None or identity_id not in thing.get("principals", []):
        return {f"{_THING}isattached": "false"}
    attributes = {f"{_THING}attributes[{name}]".lower(): value for name, value in thing.get("attributes", {}).items()}
    return {
        f"{_THING}isattached": "true",
        f"{_THING}thingname": client_id,
        f"{_THING}thingtypename": thing.get("thingTypeName"),
        **attributes,
    }


def request(
    principal: str, account_id: str, region: str, action: str, resource_arn: str, variables: Mapping[str, str]
) -> EvalContext:
    """Return the request to evaluate; wildcards in its resource are literal."""
    return EvalContext(
        principal_arn=principal,
        principal_type="CognitoIdentity",
        principal_account=account_id,
        action=action,
        resource_arn=resource_arn.translate(_LITERAL),
        region=region,
        service_context=dict(variables),
    )


def statements(document: str, variables: Mapping[str, str]) -> Any:
    """Return the statements of a policy document with its variables replaced; their names are not case sensitive."""
    return _statements(document, tuple(variables.items()))


@functools.lru_cache(maxsize=1024)
def _statements(document: str, variables: tuple[tuple[str, str], ...]) -> Any:
    values = dict(variables)

    def value(variable: re.Match[str]) -> str:
        literal = values.get(variable[1].lower(), _NO_VALUE).translate(_LITERAL)
        return json.dumps(literal)[1:-1]

    return parse_policy_document(_VARIABLE.sub(value, document))


def without_value(document: str, variables: Mapping[str, str]) -> list[str]:
    """Return the variables and condition keys in a policy document that have no value."""
    names = {*_VARIABLE.findall(document), *_condition_keys(document)}
    return sorted({name for name in names if name.lower() not in variables})


@functools.lru_cache(maxsize=1024)
def _condition_keys(document: str) -> frozenset[str]:
    given = json.loads(document).get("Statement", [])
    tests = [
        test for each in ([given] if isinstance(given, dict) else given) for test in each.get("Condition", {}).values()
    ]
    return frozenset(key for test in tests for key in test)


def default_document(policy: Mapping[str, Any]) -> str:
    """Return the document of a stored policy's default version."""
    document: str = policy["versions"][policy["defaultVersionId"]]["document"]
    return document
