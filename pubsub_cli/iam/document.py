"""Policy documents of IAM and of AWS IoT, which share one grammar.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

VERSION = "2012-10-17"
"""The version of the policy language that knows variables; in the older one they stand for themselves."""


@dataclass(frozen=True)
class Statement:
    """One statement of a document.

    Args:
        allows: whether its effect is Allow, not Deny.
        actions: patterns of actions that it is about; empty where ``not_actions`` says it.
        not_actions: patterns of actions that it is not about.
        resources: patterns of resources that it is about; empty where ``not_resources`` says it.
        not_resources: patterns of resources that it is not about.
        conditions: the values wanted of condition keys, by operator and key.
        has_variables: whether ``${...}`` stands for a value.
        source: the statement as the document has it.
    """

    allows: bool
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]
    has_variables: bool
    source: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The statement in one line, as a finding quotes it."""
        return json.dumps(self.source, separators=(",", ":"))


@dataclass(frozen=True)
class Policy:
    """A policy that has a say.

    Args:
        name: what it is called in a sentence, such as ``the IoT policy myIoTPolicy``.
        key: what AWS knows it by: the ARN of a managed policy, the name of an inline one or of an IoT policy.
        statements: its statements, in order.
        document: the document they are of.
    """

    name: str
    key: str
    statements: tuple[Statement, ...]
    document: Mapping[str, Any]

    @classmethod
    def read(cls, name: str, key: str, document: str | Mapping[str, Any]) -> Self:
        """Read a document, given as JSON or as boto3 has decoded it.

        What is no statement is left out, as AWS takes no document that has such.

        Raises:
            ValueError: it is not JSON.
        """
        decoded = json.loads(document) if isinstance(document, str) else document
        has_variables = decoded.get("Version") == VERSION
        statements = (_statement(each, has_variables) for each in statements_of(decoded) if isinstance(each, Mapping))
        return cls(name, key, tuple(statements), decoded)


def statements_of(document: Mapping[str, Any]) -> list[Any]:
    """Return the statements of a document, which may have one that stands in no list."""
    return listed(document.get("Statement"))


def listed(value: object) -> list[Any]:
    """Return what may be one or several as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _statement(source: Mapping[str, Any], has_variables: bool) -> Statement:
    return Statement(
        allows=source.get("Effect") == "Allow",
        actions=_texts(source.get("Action")),
        not_actions=_texts(source.get("NotAction")),
        resources=_texts(source.get("Resource")),
        not_resources=_texts(source.get("NotResource")),
        conditions={
            operator: {key: _texts(wanted) for key, wanted in keys.items()}
            for operator, keys in (source.get("Condition") or {}).items()
        },
        has_variables=has_variables,
        source=source,
    )


def _texts(value: object) -> tuple[str, ...]:
    """Return one or several values as texts; a truth value as JSON has it."""
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in listed(value))
