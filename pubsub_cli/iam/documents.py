"""Reads the documents of IAM and AWS IoT policies, which have the same grammar, and applies their statements.

An answer is True, False, or None if it depends on a value that is not known.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from pubsub_cli.iam.request import THING_NAME, RequestContext, Values

VERSION = "2012-10-17"
"""The version of the policy language that has variables. In the older version, ``${...}`` is literal text."""

_PARTS = re.compile(r"\$\{[^}]*\}|[*?]|[^*?$]+|\$")
_PARTS_WITHOUT_VARIABLES = re.compile(r"[*?]|[^*?]+")
_ESCAPED = ("*", "?", "$")
"""``${*}``, ``${?}`` and ``${$}`` are the characters themselves."""
_WITH_DEFAULT = re.compile(r"([^,]*?)\s*,\s*'(.*)'", re.DOTALL)

_OPERATOR = re.compile(r"(?:(forallvalues|foranyvalue):)?(\w+?)(ifexists)?", re.IGNORECASE)
_NEGATED = re.compile(r"(string|arn)not(\w+)")
_WITH_WILDCARDS = ("stringlike", "arnlike", "arnequals")
_IGNORING_CASE = ("stringequalsignorecase", "bool")
_SUPPORTED = (*_WITH_WILDCARDS, *_IGNORING_CASE, "stringequals")


class Condition(NamedTuple):
    """One condition of a statement."""

    operator: str
    key: str
    expected: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """One statement of a document.

    Args:
        allows: whether its effect is Allow; False for Deny, and None for another text, which neither allows nor denies.
        actions: patterns of its actions; empty if it has ``not_actions``.
        not_actions: patterns of the actions that it excludes.
        resources: patterns of its resources; empty if it has ``not_resources``.
        not_resources: patterns of the resources that it excludes.
        conditions: its conditions.
        has_variables: whether ``${...}`` is replaced.
        source: the statement in the document.
    """

    allows: bool | None
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    conditions: tuple[Condition, ...]
    has_variables: bool
    source: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The statement in one line of JSON."""
        return json.dumps(self.source, separators=(",", ":"))

    def covers_action(self, action: str) -> bool:
        """Return whether the statement applies to an action."""
        covered = any(matches(each, action, None, ignore_case=True) for each in self.not_actions or self.actions)
        return not covered if self.not_actions else covered

    def covers_resource(self, resource: str, context: RequestContext) -> bool | None:
        """Return whether the statement applies to a resource."""
        variables = context if self.has_variables else None
        covered = any_of(matches(each, resource, variables) for each in self.not_resources or self.resources)
        return negated(covered) if self.not_resources else covered

    def is_met(self, context: RequestContext) -> bool | None:
        """Return whether all conditions are met."""
        return all_of(met for _, met in self._evaluate_conditions(context))

    def unmet_conditions(self, context: RequestContext) -> list[Condition]:
        """Return the conditions that are certainly not met."""
        return [condition for condition, met in self._evaluate_conditions(context) if met is False]

    def unknown_keys(self, context: RequestContext) -> tuple[str, ...]:
        """Return the variables that are not known, and the keys of the conditions whose answer is not known."""
        patterns = (*self.resources, *self.not_resources) if self.has_variables else ()
        names = [name for pattern in patterns for name in variable_names(pattern) if _value(name, context) is None]
        keys = [condition.key for condition, met in self._evaluate_conditions(context) if met is None]
        return tuple(dict.fromkeys([*names, *keys]))

    def _evaluate_conditions(self, context: RequestContext) -> Iterator[tuple[Condition, bool | None]]:
        """Yield each condition, and whether it is met.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
        """
        variables = context if self.has_variables else None
        for condition in self.conditions:
            yield condition, _is_met(condition, context.values_of(condition.key), variables)


@dataclass(frozen=True)
class Policy:
    """A policy.

    Args:
        name: its name in a sentence, such as ``the IoT policy myIoTPolicy``.
        key: its id in AWS: the ARN of a managed policy, the name of an inline or IoT policy.
        statements: its statements, in order.
        document: its document.
    """

    name: str
    key: str
    statements: tuple[Statement, ...]
    document: Mapping[str, Any]

    @classmethod
    def read(cls, name: str, key: str, document: str | Mapping[str, Any]) -> Self:
        """Read a document: JSON, or a mapping that boto3 has decoded.

        Raises:
            ValueError: the document is not JSON.
        """
        decoded = json.loads(document) if isinstance(document, str) else document
        has_variables = decoded.get("Version") == VERSION
        sources = (each for each in listed(decoded.get("Statement")) if isinstance(each, Mapping))
        return cls(name, key, tuple(_statement(each, has_variables) for each in sources), decoded)


def listed(value: object) -> list[Any]:
    """Return the values of an element that can be absent, one value or a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _statement(source: Mapping[str, Any], has_variables: bool) -> Statement:
    return Statement(
        allows={"Allow": True, "Deny": False}.get(str(source.get("Effect"))),
        actions=_texts(source.get("Action")),
        not_actions=_texts(source.get("NotAction")),
        resources=_texts(source.get("Resource")),
        not_resources=_texts(source.get("NotResource")),
        conditions=tuple(
            Condition(operator, key, _texts(expected))
            for operator, keys in (source.get("Condition") or {}).items()
            for key, expected in keys.items()
        ),
        has_variables=has_variables,
        source=source,
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in listed(value))


def matches(
    pattern: str, text: str, context: RequestContext | None, *, ignore_case: bool = False, wildcards: bool = True
) -> bool | None:
    """Return whether a pattern matches a text: ``*`` any characters, ``?`` one, ``${...}`` the value of a variable.

    ``+`` and ``#`` are literal, and so are wildcards in the value of a variable.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html

    Args:
        pattern: the pattern.
        text: the text.
        context: the values of variables; None if the document has no variables.
        ignore_case: whether to ignore case.
        wildcards: whether ``*`` and ``?`` are wildcards; otherwise they are literal.
    """
    parts = [""]  # the expressions between those that match any text
    unknown = False
    for part in (_PARTS if context else _PARTS_WITHOUT_VARIABLES).findall(pattern):
        if context and part.startswith("${"):
            value = _value(part[2:-1], context)
            if value == ():
                return False
            unknown = unknown or value is None
            known = value or _known_value(part[2:-1], context)
            if known:
                parts[-1] += re.escape(known[0])
            else:
                parts.append("")
        elif wildcards and part == "*":
            parts.append("")
        elif wildcards and part == "?":
            parts[-1] += "."
        else:
            parts[-1] += re.escape(part)
    matched = re.fullmatch(_joined(parts), text, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None
    return None if matched and unknown else matched


def variable_names(pattern: str) -> list[str]:
    """Return the names of the variables in a pattern."""
    names = [part[2:-1] for part in _PARTS.findall(pattern) if part.startswith("${")]
    return [name for name in names if name not in _ESCAPED]


def _value(variable: str, context: RequestContext) -> Values | None:
    """Return the value of a variable: of its key, or if the request does not have the key, the variable's default."""
    if variable in _ESCAPED:
        return (variable,)
    with_default = _WITH_DEFAULT.fullmatch(variable)
    name = with_default[1] if with_default else variable
    value = context.values_of(name) if context.has_variable(name) else ()
    return (with_default[2],) if with_default and value == () else value


def _known_value(variable: str, context: RequestContext) -> Values | None:
    """Return the value that an unknown variable has if it has one; None if that is not known either.

    The name of a thing is the client id: https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html
    """
    return context.values_of("iot:ClientId") if variable.lower() == THING_NAME.lower() else None


def _joined(parts: list[str]) -> str:
    """Return the expression of parts with any text between them. It does not backtrack, as in :mod:`fnmatch`."""
    first, *middle = parts
    if not middle:
        return first
    last = middle.pop()
    return first + "".join(f"(?>.*?{each})" for each in middle if each) + f".*{last}"


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Return True if an answer is, otherwise None if an answer is."""
    unknown = False
    for answer in answers:
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """Return False if an answer is, otherwise None if an answer is."""
    return negated(any_of(negated(each) for each in answers))


def negated(answer: bool | None) -> bool | None:
    """Return the opposite answer; None stays None."""
    return None if answer is None else not answer


def _is_met(condition: Condition, values: Values | None, context: RequestContext | None) -> bool | None:
    """Return whether a condition on a key with these values is met; None also if its operator is not supported."""
    if values is None:
        return None
    if condition.operator.lower() == "null":
        return (not values) == (condition.expected[:1] == ("true",))
    found = _OPERATOR.fullmatch(condition.operator)
    if not found:
        return None
    quantifier, operator, if_exists = (found[1] or "").lower(), found[2].lower(), bool(found[3])
    negation = _NEGATED.fullmatch(operator)
    if negation:
        operator = f"{negation[1]}{negation[2]}"
    if operator not in _SUPPORTED:
        return None
    if not values:
        return if_exists or (quantifier == "forallvalues" if quantifier else negation is not None)

    def fits(value: str) -> bool | None:
        fitting = any_of(
            matches(
                each,
                value,
                context,
                ignore_case=operator in _IGNORING_CASE,
                wildcards=operator in _WITH_WILDCARDS,
            )
            for each in condition.expected
        )
        return negated(fitting) if negation else fitting

    if quantifier == "forallvalues":
        return all_of(fits(each) for each in values)
    return any_of(fits(each) for each in values) if quantifier else fits(values[0])
