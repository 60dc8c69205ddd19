from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.iam.facts import Facts
from pubsub_cli.iam.pattern import any_of, matches, negated, variables

SUB = "${cognito-identity.amazonaws.com:sub}"
FACTS = Facts({"cognito-identity.amazonaws.com:sub": ("us-east-1:id",), "iot:clientid": ("a*b",)})

# Few characters, so that patterns often match; line ends and what is special to regular expressions among them.
texts = st.text("ab/:.*?+#$\n(", max_size=8)


def by_definition(pattern: str, text: str) -> bool:
    """Tell whether a pattern matches, as IAM defines it: character by character."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(by_definition(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and by_definition(pattern[1:], text[1:])


@given(texts, texts)
def test_matches_as_defined(pattern: str, text: str) -> None:
    assert matches(pattern, text, Facts()) is by_definition(pattern, text)
    assert matches(pattern, text, None) is by_definition(pattern, text)


@given(texts, texts)
def test_what_a_variable_stands_for_is_taken_literally(value: str, text: str) -> None:
    assert matches("${iot:ClientId}", text, Facts({"iot:clientid": (value,)})) is (value == text)


@given(texts)
def test_wildcards_escaped_by_variables_stand_for_themselves(text: str) -> None:
    escaped = "".join(f"${{{each}}}" if each in "*?$" else each for each in text)
    assert matches(escaped, text, Facts())
    assert not matches(escaped, f"{text}x", Facts())


@given(texts)
def test_case_makes_a_difference_unless_told(text: str) -> None:
    plain = text.translate(str.maketrans("*?$", "xxx"))
    assert matches(plain.upper(), plain, None, ignore_case=True)
    assert matches(plain.upper(), plain, None) is (plain.upper() == plain)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("topic/*", "topic/a/b", True),
        ("topic/a/#", "topic/a/b", False),
        ("topicfilter/a/+", "topicfilter/a/+", True),
        (f"client/{SUB}", "client/us-east-1:id", True),
        ("client/${COGNITO-identity.amazonaws.com:SUB}", "client/us-east-1:id", True),
        (f"client/{SUB}", "client/us-east-1:other", False),
        ("topic/${iot:ClientId}", "topic/aXb", False),
        ("topic/${iot:Certificate.SerialNumber}", "topic/${iot:Certificate.SerialNumber}", False),
        ("topic/${iot:Connection.Thing.ThingName}", "topic/lamp", None),
        ("topic/${aws:PrincipalTag/team}", "topic/a", None),
        ("topic/${aws:PrincipalTag/team}", "client/a", False),
        ("topic/${iot:Certificate.Subject.CommonName, 'none'}", "topic/none", True),
    ],
)
def test_variables(pattern: str, text: str, expected: bool | None) -> None:
    assert matches(pattern, text, FACTS) is expected


def test_without_variables_the_braces_stand_for_themselves() -> None:
    assert matches(f"client/{SUB}", f"client/{SUB}", None)
    assert matches("a${*}", "a${anything}", None)
    assert not matches(f"client/{SUB}", "client/us-east-1:id", None)


def test_the_variables_of_a_pattern_are_told_but_for_escaped_wildcards() -> None:
    assert variables(f"topic/{SUB}/${{*}}/${{iot:ClientId}}") == ["cognito-identity.amazonaws.com:sub", "iot:ClientId"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [([], False), ([False, None], None), ([None, True], True), ([False, False], False)],
)
def test_one_of_several_answers(answers: list[bool | None], expected: bool | None) -> None:
    assert any_of(answers) is expected


@pytest.mark.parametrize(("answer", "expected"), [(True, False), (False, True), (None, None)])
def test_the_contrary_of_what_is_not_known_is_not_known(answer: bool | None, expected: bool | None) -> None:
    assert negated(answer) is expected
