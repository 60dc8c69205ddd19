"""Whether a pattern of a policy matches: ``*`` any characters, ``?`` one, ``${...}`` the value of a variable.

``+`` and ``#`` stand for themselves, and so does a wildcard in what a variable stands for.
https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pubsub_cli.iam.facts import Facts, Values

_TOKEN = re.compile(r"\$\{([^}]*)\}|([*?])|([^*?$]+|\$)", re.DOTALL)
_SPECIAL = ("*", "?", "$")
_WILDCARDS = {"*": ".*", "?": "."}
_DEFAULT = re.compile(r"([^,]*?)\s*,\s*'(.*)'", re.DOTALL)


def matches(pattern: str, text: str, facts: Facts | None, *, ignore_case: bool = False) -> bool | None:
    """Tell whether a pattern matches a text; None if that turns on a variable whose value is not known.

    Args:
        pattern: the pattern.
        text: the text, in which nothing is special.
        facts: the values of variables; None if the document has no variables.
        ignore_case: whether case makes no difference.
    """
    expression = ""
    unknown = False
    for variable, wildcard, literal in _tokens(pattern, facts):
        if variable is None:
            expression += _WILDCARDS[wildcard] if wildcard else re.escape(literal)
            continue
        value = _value(variable, facts) if facts else None
        if value == ():
            return False
        unknown = unknown or value is None
        expression += ".*" if value is None else re.escape(value[0])
    matched = re.fullmatch(expression, text, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None
    return None if matched and unknown else matched


def variables(pattern: str) -> list[str]:
    """Return the names of the variables in a pattern."""
    return [found[1] for found in _TOKEN.finditer(pattern) if found[1] is not None and found[1] not in _SPECIAL]


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Tell whether one is true; None if none is and one is not known."""
    unknown = False
    for answer in answers:
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False


def negated(answer: bool | None) -> bool | None:
    """Return the contrary; what is not known stays so."""
    return None if answer is None else not answer


def _tokens(pattern: str, facts: Facts | None) -> Iterator[tuple[str | None, str | None, str]]:
    """Yield the parts of a pattern: a variable's name, a wildcard, or what stands for itself."""
    for found in _TOKEN.finditer(pattern):
        if found[1] is None:
            yield None, found[2], found[3] or ""
        elif facts is None:
            # Without variables the braces stand for themselves, and wildcards within for any characters.
            yield None, None, "${"
            for inner in re.findall(r"[*?]|[^*?]+", found[1]):
                yield (None, inner, "") if inner in _WILDCARDS else (None, None, inner)
            yield None, None, "}"
        elif found[1] in _SPECIAL:
            yield None, None, found[1]
        else:
            yield found[1], None, ""


def _value(variable: str, facts: Facts) -> Values | None:
    """Return a variable's value, or the default that stands in the variable if the request has none."""
    default = _DEFAULT.fullmatch(variable)
    value = facts.of(default[1] if default else variable)
    return (default[2],) if default and value == () else value
