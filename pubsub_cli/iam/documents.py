"""Documents of IAM and AWS IoT policies, which share one grammar: statements, patterns and conditions.

Whatever depends on a value that is not known is None, neither true nor false.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pubsub_cli.iam.request import RequestContext, Values

VERSION = "2012-10-17"
"""The version of the policy language that replaces variables; the older one takes them literally."""

Conditions = Mapping[str, Mapping[str, tuple[str, ...]]]
"""The expected values, by operator and key."""

_TOKEN = re.compile(r"\$\{([^}]*)\}|([*?])|([^*?$]+|\$)", re.DOTALL)
_SPECIAL = ("*", "?", "$")
_WILDCARDS = {"*": ".*", "?": "."}
_DEFAULT = re.compile(r"([^,]*?)\s*,\s*'(.*)'", re.DOTALL)

_OPERATOR = re.compile(r"(?:(forallvalues|foranyvalue):)?(\w+?)(ifexists)?", re.IGNORECASE)
_WILDCARD = re.compile(r"(\$\{[^}]*\})|([*?])")
_NEGATED = re.compile(r"(string|arn)not(\w+)")
_LIKE = ("stringlike", "arnlike", "arnequals")
_EXACT = ("stringequals", "stringequalsignorecase", "bool")


@dataclass(frozen=True)
class Statement:
    """One statement of a document.

    Args:
        allows: whether its effect is Allow.
        actions: patterns of its actions; empty if it has ``not_actions``.
        not_actions: patterns of the actions that it excludes.
        resources: patterns of its resources; empty if it has ``not_resources``.
        not_resources: patterns of the resources that it excludes.
        conditions: its conditions.
        has_variables: whether ``${...}`` is replaced.
        source: the statement as it is in the document.
    """

    allows: bool
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    conditions: Conditions
    has_variables: bool
    source: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The statement in one line of JSON."""
        return json.dumps(self.source, separators=(",", ":"))

    def covers_action(self, action: str) -> bool:
        """Return whether the statement applies to an action."""
        if self.not_actions:
            return not any(matches(each, action, None, ignore_case=True) for each in self.not_actions)
        return any(matches(each, action, None, ignore_case=True) for each in self.actions)

    def covers_resource(self, resource: str, context: RequestContext) -> bool | None:
        """Return whether the statement applies to a resource."""
        known = context if self.has_variables else None
        if self.not_resources:
            return negated(any_of(matches(each, resource, known) for each in self.not_resources))
        return any_of(matches(each, resource, known) for each in self.resources)

    def is_met(self, context: RequestContext) -> bool | None:
        """Return whether all conditions are met."""
        return conditions_met(self.conditions, context, has_variables=self.has_variables)

    def unmet_conditions(self, context: RequestContext) -> list[tuple[str, str, tuple[str, ...]]]:
        """Return the operator, key and expected values of each condition that is certainly not met."""
        return [
            (operator, key, expected)
            for operator, keys in self.conditions.items()
            for key, expected in keys.items()
            if conditions_met({operator: {key: expected}}, context, has_variables=self.has_variables) is False
        ]

    def unknown_keys(self, context: RequestContext) -> tuple[str, ...]:
        """Return the variables and condition keys whose values, or whose operators, are not known."""
        patterns = (*self.resources, *self.not_resources) if self.has_variables else ()
        names = [name for pattern in patterns for name in variables(pattern) if context.values_of(name) is None]
        keys = [
            key
            for operator, by_key in self.conditions.items()
            for key, expected in by_key.items()
            if _is_met(operator, expected, context.values_of(key), context) is None
        ]
        return tuple(dict.fromkeys([*names, *keys]))


@dataclass(frozen=True)
class Policy:
    """A policy.

    Args:
        name: its name in a sentence, such as ``the IoT policy myIoTPolicy``.
        key: its id in AWS: the ARN of a managed policy, the name of an inline or IoT policy.
        statements: its statements, in order.
        document: the document that they are from.
    """

    name: str
    key: str
    statements: tuple[Statement, ...]
    document: Mapping[str, Any]

    @classmethod
    def read(cls, name: str, key: str, document: str | Mapping[str, Any]) -> Self:
        """Read a document: JSON, or a mapping that boto3 has decoded.

        Raises:
            ValueError: it is not JSON.
        """
        decoded = json.loads(document) if isinstance(document, str) else document
        has_variables = decoded.get("Version") == VERSION
        sources = (each for each in listed(decoded.get("Statement")) if isinstance(each, Mapping))
        return cls(name, key, tuple(_statement(each, has_variables) for each in sources), decoded)


def listed(value: object) -> list[Any]:
    """Return a value that may be single, several or missing as a list."""
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
            operator: {key: _texts(expected) for key, expected in keys.items()}
            for operator, keys in (source.get("Condition") or {}).items()
        },
        has_variables=has_variables,
        source=source,
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in listed(value))


def matches(pattern: str, text: str, context: RequestContext | None, *, ignore_case: bool = False) -> bool | None:
    """Return whether a pattern matches a text: ``*`` any characters, ``?`` one, ``${...}`` the value of a variable.

    ``+`` and ``#`` are literal, and so are wildcards in the value of a variable.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html

    Args:
        pattern: the pattern.
        text: the text, without special characters.
        context: the values of variables; None if the document has no variables.
        ignore_case: whether to ignore case.
    """
    expression = ""
    unknown = False
    for variable, wildcard, literal in _tokens(pattern, context):
        if variable is None:
            expression += _WILDCARDS[wildcard] if wildcard else re.escape(literal)
            continue
        value = _value(variable, context) if context else None
        if value == ():
            return False
        unknown = unknown or value is None
        expression += ".*" if value is None else re.escape(value[0])
    matched = re.fullmatch(expression, text, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None
    return None if matched and unknown else matched


def variables(pattern: str) -> list[str]:
    """Return the names of the variables in a pattern."""
    return [found[1] for found in _TOKEN.finditer(pattern) if found[1] is not None and found[1] not in _SPECIAL]


def _tokens(pattern: str, context: RequestContext | None) -> Iterator[tuple[str | None, str | None, str]]:
    """Yield the parts of a pattern: a variable's name, a wildcard, or literal text."""
    for found in _TOKEN.finditer(pattern):
        if found[1] is None:
            yield None, found[2], found[3] or ""
        elif context is None:
            # Without variables the braces are literal, but not the wildcards within.
            yield None, None, "${"
            for inner in re.findall(r"[*?]|[^*?]+", found[1]):
                yield (None, inner, "") if inner in _WILDCARDS else (None, None, inner)
            yield None, None, "}"
        elif found[1] in _SPECIAL:
            yield None, None, found[1]
        else:
            yield found[1], None, ""


def _value(variable: str, context: RequestContext) -> Values | None:
    """Return a variable's value; if the request has none, the default that the variable gives."""
    default = _DEFAULT.fullmatch(variable)
    value = context.values_of(default[1] if default else variable)
    return (default[2],) if default and value == () else value


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Return whether one of the answers is true; None if none is and one is unknown."""
    unknown = False
    for answer in answers:
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False


def negated(answer: bool | None) -> bool | None:
    """Return the opposite answer; unknown stays unknown."""
    return None if answer is None else not answer


def conditions_met(conditions: Conditions, context: RequestContext, *, has_variables: bool) -> bool | None:
    """Return whether all conditions are met.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    """
    return negated(
        any_of(
            negated(_is_met(operator, expected, context.values_of(key), context if has_variables else None))
            for operator, keys in conditions.items()
            for key, expected in keys.items()
        )
    )


def _is_met(
    operator: str, expected: tuple[str, ...], values: Values | None, context: RequestContext | None
) -> bool | None:
    if values is None:
        return None
    if operator.lower() == "null":
        return (not values) == (expected[:1] == ("true",))
    found = _OPERATOR.fullmatch(operator)
    if not found:
        return None
    of_set, name, if_exists = found[1], found[2].lower(), found[3]
    negation = _NEGATED.fullmatch(name)
    if negation:
        name = f"{negation[1]}{negation[2]}"
    if name not in (*_LIKE, *_EXACT):
        return None
    if not values:
        if of_set:
            return of_set.lower() == "forallvalues" or bool(if_exists)
        return bool(if_exists or negation)

    def fits(value: str) -> bool | None:
        one = any_of(_compare(name, each, value, context) for each in expected)
        return negated(one) if negation else one

    if of_set and of_set.lower() == "forallvalues":
        return negated(any_of(negated(fits(value)) for value in values))
    return any_of(fits(value) for value in values) if of_set else fits(values[0])


def _compare(name: str, expected: str, value: str, context: RequestContext | None) -> bool | None:
    if name in _LIKE:
        return matches(expected, value, context)
    if context is None:
        return expected.lower() == value.lower() if name != "stringequals" else expected == value
    literal = _WILDCARD.sub(lambda found: found[1] or f"${{{found[2]}}}", expected)
    return matches(literal, value, context, ignore_case=name != "stringequals")
