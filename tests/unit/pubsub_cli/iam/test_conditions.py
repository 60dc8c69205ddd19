from __future__ import annotations

import pytest

from pubsub_cli.iam.conditions import met, unknown_keys
from pubsub_cli.iam.facts import Facts, signed_in_user

FACTS = signed_in_user("us-east-1", "us-east-1:pool", identity_id="us-east-1:id", client_id="browser")
AUD, AMR = "cognito-identity.amazonaws.com:aud", "cognito-identity.amazonaws.com:amr"


def is_met(operator: str, key: str, *wanted: str, facts: Facts = FACTS) -> bool | None:
    return met({operator: {key: wanted}}, facts, has_variables=True)


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "expected"),
    [
        ("StringEquals", AUD, "us-east-1:pool", True),
        ("StringEquals", AUD.upper(), "us-east-1:pool", True),
        ("StringEquals", AUD, "us-east-1:*", False),
        ("StringEquals", AUD, "us-east-1:POOL", False),
        ("StringEqualsIgnoreCase", AUD, "us-east-1:POOL", True),
        ("StringNotEquals", AUD, "us-east-1:other", True),
        ("StringNotEquals", AUD, "us-east-1:pool", False),
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
        ("StringEqualsIfExists", "iot:Certificate.Subject.CommonName", "browser", True),
        ("StringNotEquals", "iot:Certificate.Subject.CommonName", "browser", True),
        ("StringEquals", "iot:Connection.Thing.ThingName", "browser", None),
        ("Bool", "iot:Connection.Thing.IsAttached", "true", None),
        ("StringEquals", "aws:SourceIp", "10.0.0.1", None),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/8", None),
        ("DateLessThan", "aws:RequestedRegion", "2030-01-01", None),
    ],
)
def test_operators(operator: str, key: str, wanted: str, expected: bool | None) -> None:
    assert is_met(operator, key, wanted) is expected


def test_one_of_several_wanted_values_is_enough_and_none_of_those_not_wanted_may_be() -> None:
    assert is_met("StringEquals", AUD, "other", "us-east-1:pool")
    assert not is_met("StringNotEquals", AUD, "other", "us-east-1:pool")


def test_all_conditions_must_be_met_and_one_that_is_not_outweighs_what_is_not_known() -> None:
    unknown, unmet, fulfilled = {"aws:SourceIp": ("10.0.0.1",)}, {AUD: ("other",)}, {AUD: ("us-east-1:pool",)}
    assert met({"StringEquals": {**unknown, **unmet}}, FACTS, has_variables=True) is False
    assert met({"StringEquals": {**unknown, **fulfilled}}, FACTS, has_variables=True) is None
    assert met({}, FACTS, has_variables=True) is True


def test_without_variables_the_braces_stand_for_themselves() -> None:
    condition = {"StringEquals": {"iot:ClientId": ("${iot:ClientId}",)}}
    assert met(condition, FACTS, has_variables=False) is False


def test_keys_that_are_not_known_are_named() -> None:
    conditions = {"StringEquals": {AUD: ("us-east-1:pool",), "aws:SourceIp": ("10.0.0.1",)}}
    assert unknown_keys(conditions, FACTS) == ["aws:SourceIp"]
