"""Whether the conditions of a statement are met, by what is known of the request; what is not known is not guessed.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pubsub_cli.iam.facts import Facts, Values
from pubsub_cli.iam.pattern import any_of, matches, negated

_OPERATOR = re.compile(r"(?:(forallvalues|foranyvalue):)?(\w+?)(ifexists)?", re.IGNORECASE)
_WILDCARD = re.compile(r"(\$\{[^}]*\})|([*?])")
_NEGATED = re.compile(r"(string|arn)not(\w+)")
_LIKE = ("stringlike", "arnlike", "arnequals")
_EXACT = ("stringequals", "stringequalsignorecase", "bool")


def met(conditions: Mapping[str, Mapping[str, tuple[str, ...]]], facts: Facts, *, has_variables: bool) -> bool | None:
    """Tell whether all conditions are met; None if that turns on a value or an operator that is not known."""
    contrary = any_of(
        negated(_met(operator, wanted, facts.of(key), facts if has_variables else None))
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )
    return negated(contrary)


def unknown_keys(conditions: Mapping[str, Mapping[str, tuple[str, ...]]], facts: Facts) -> list[str]:
    """Return the condition keys whose values are not known, or whose operator is not."""
    return [
        key
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
        if _met(operator, wanted, facts.of(key), facts) is None
    ]


def _met(operator: str, wanted: tuple[str, ...], values: Values | None, facts: Facts | None) -> bool | None:
    if values is None:
        return None
    if operator.lower() == "null":
        return (not values) == (wanted[:1] == ("true",))
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
        one = any_of(_compare(name, each, value, facts) for each in wanted)
        return negated(one) if negation else one

    if of_set and of_set.lower() == "forallvalues":
        return negated(any_of(negated(fits(value)) for value in values))
    return any_of(fits(value) for value in values) if of_set else fits(values[0])


def _compare(name: str, wanted: str, value: str, facts: Facts | None) -> bool | None:
    if name in _LIKE:
        return matches(wanted, value, facts)
    if facts is None:
        return wanted.lower() == value.lower() if name != "stringequals" else wanted == value
    literal = _WILDCARD.sub(lambda found: found[1] or f"${{{found[2]}}}", wanted)
    return matches(literal, value, facts, ignore_case=name != "stringequals")
