"""Patterns and conditions of policy documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.iam.documents import Condition, Policy, Statement, matches
from pubsub_cli.iam.request import RequestContext, signed_in_context

SUB = "${cognito-identity.amazonaws.com:sub}"
AUD, AMR = "cognito-identity.amazonaws.com:aud", "cognito-identity.amazonaws.com:amr"
CONTEXT = signed_in_context("us-east-1", "us-east-1:pool", identity_id="us-east-1:id", client_id="a*b")

# Few characters, so that patterns often match. Some are special in regular expressions.
texts = st.text("ab/:.*?+#$\n(", max_size=8)


def statement(conditions: dict[str, Any], version: str = "2012-10-17") -> Statement:
    document = {"Version": version, "Statement": {"Effect": "Allow", "Condition": conditions}}
    return Policy.read("the policy", "key", document).statements[0]


def match_by_definition(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(match_by_definition(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and match_by_definition(pattern[1:], text[1:])


@given(texts, texts)
def test_pattern_matches_as_defined(pattern: str, text: str) -> None:
    assert matches(pattern, text, RequestContext()) is match_by_definition(pattern, text)
    assert matches(pattern, text, None) is match_by_definition(pattern, text)


@given(texts, texts)
def test_value_of_a_variable_is_literal(value: str, text: str) -> None:
    assert matches("${iot:ClientId}", text, RequestContext({"iot:clientid": (value,)})) is (value == text)


@given(texts)
def test_escaped_wildcards_are_literal(text: str) -> None:
    escaped = "".join(f"${{{each}}}" if each in "*?$" else each for each in text)
    assert matches(escaped, text, RequestContext())
    assert not matches(escaped, f"{text}x", RequestContext())


@given(texts)
def test_pattern_ignores_case_only_on_request(text: str) -> None:
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
        ("topic/${iot:CertificateId}", "topic/${iot:CertificateId}", False),
        ("topic/${iot:Connection.Thing.ThingName}", "topic/a*b", None),  # is the client id
        ("topic/${iot:Connection.Thing.ThingName}", "topic/lamp", False),
        ("topic/${iot:Connection.Thing.ThingTypeName}", "topic/lamp", None),
        ("topic/${aws:SourceIp}", "topic/a", None),
        ("topic/${aws:SourceIp}", "client/a", False),
        ("topic/${aws:PrincipalTag/team}", "topic/a", False),
        ("topic/${iot:Certificate.Subject.CommonName, 'none'}", "topic/none", True),
    ],
)
def test_pattern_replaces_variables(pattern: str, text: str, expected: bool | None) -> None:
    assert matches(pattern, text, CONTEXT) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [("a*b*c", "a-b-b-c", True), ("*ab*b", "aab", False), ("*ab?*b", "abab-b", True), ("?*?", "a", False)],
)
def test_several_wildcards_match_any_text_between(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text, None) is expected


def test_many_wildcards_take_no_exponential_time() -> None:
    assert matches("*a" * 30 + "#", "a" * 200, None) is False
    assert matches(f"arn:aws:iot:{'*' * 40}:x", "arn:aws:iot:us-east-1:123456789012:topic/a", None) is False


def test_variables_of_a_role_are_not_limited_to_those_of_aws_iot() -> None:
    of_role = signed_in_context("us-east-1", None, role_arn="arn:aws:iam::123456789012:role/AuthRole")
    assert matches("topic/${aws:PrincipalTag/team}", "topic/a", of_role) is None
    assert matches("topic/${cognito-identity.amazonaws.com:custom:team}", "topic/a", of_role) is False


@pytest.mark.parametrize("variable", ["iot:ClientId", "iot:Connection.Thing.ThingName"])
def test_variables_of_aws_iot_are_unknown_in_a_role(variable: str) -> None:
    role = "arn:aws:iam::123456789012:role/AuthRole"
    of_role = signed_in_context("us-east-1", None, client_id="lamp", things=["lamp"], role_arn=role)
    assert matches(f"topic/${{{variable}}}", "topic/lamp", of_role) is None


def test_braces_are_literal_in_a_document_without_variables() -> None:
    assert matches(f"client/{SUB}", f"client/{SUB}", None)
    assert matches("a${*}", "a${anything}", None)
    assert not matches(f"client/{SUB}", "client/us-east-1:id", None)


@pytest.mark.parametrize(
    ("operator", "key", "values", "expected"),
    [
        ("StringEquals", AUD, "us-east-1:pool", True),
        ("StringEquals", AUD.upper(), "us-east-1:pool", True),
        ("StringEquals", AUD, "us-east-1:*", False),
        ("StringEquals", AUD, "us-east-1:POOL", False),
        ("StringEquals", AUD, "other,us-east-1:pool", True),
        ("StringEqualsIgnoreCase", AUD, "us-east-1:POOL", True),
        ("StringNotEquals", AUD, "us-east-1:other", True),
        ("StringNotEquals", AUD, "us-east-1:pool", False),
        ("StringNotEquals", AUD, "other,us-east-1:pool", False),
        ("StringLike", AUD, "us-east-1:*", True),
        ("StringNotLike", AUD, "us-east-1:*", False),
        ("StringLikeIfExists", AUD, "eu-*", False),
        ("ForAnyValue:StringLike", AMR, "auth*", True),
        ("ForAnyValue:StringLike", AMR, "unauthenticated", False),
        ("ForAllValues:StringEquals", AMR, "authenticated", True),
        ("ForAllValues:StringEquals", AMR, "other", False),
        ("Bool", "aws:SecureTransport", "True", True),
        ("Bool", "aws:SecureTransport", "false", False),
        ("Null", AUD, "false", True),
        ("Null", AUD, "true", False),
        ("StringEquals", "iot:ClientId", "${iot:ClientId}", True),
        ("StringEquals", "iot:Certificate.Subject.CommonName", "browser", False),
        ("ForAllValues:StringEquals", "iot:Certificate.Subject.CommonName", "browser", True),
        ("ForAnyValue:StringEquals", "iot:Certificate.Subject.CommonName", "browser", False),
        ("StringEqualsIfExists", "iot:Certificate.Subject.CommonName", "browser", True),
        ("StringNotEquals", "iot:Certificate.Subject.CommonName", "browser", True),
        ("StringEquals", "iot:Connection.Thing.ThingName", "browser", None),
        ("Bool", "iot:Connection.Thing.IsAttached", "true", None),
        ("StringEquals", "aws:SourceIp", "10.0.0.1", None),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/8", None),
        ("DateLessThan", "aws:RequestedRegion", "2030-01-01", None),
        ("For:Nothing", AUD, "us-east-1:pool", None),
    ],
)
def test_condition_operator(operator: str, key: str, values: str, expected: bool | None) -> None:
    assert statement({operator: {key: values.split(",")}}).is_met(CONTEXT) is expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"aws:SourceIp": "10.0.0.1", AUD: "other"}, False),
        ({"aws:SourceIp": "10.0.0.1", AUD: "us-east-1:pool"}, None),
        ({}, True),
    ],
)
def test_statement_is_met_only_if_all_conditions_are(conditions: dict[str, str], expected: bool | None) -> None:
    assert statement({"StringEquals": conditions}).is_met(CONTEXT) is expected


def test_braces_are_literal_in_a_condition_without_variables() -> None:
    condition = {"StringEquals": {"iot:ClientId": "${iot:ClientId}"}}
    assert statement(condition, version="2008-10-17").is_met(CONTEXT) is False


def test_policy_reads_json_with_a_single_statement() -> None:
    source = {"Effect": "Allow", "Action": "iot:*", "Resource": "*", "Condition": {"Bool": {"a": True}}}
    policy = Policy.read("the policy", "key", json.dumps({"Version": "2012-10-17", "Statement": source}))
    (only,) = policy.statements
    assert json.loads(only.text) == source
    assert only.conditions == (Condition("Bool", "a", ("true",)),)
