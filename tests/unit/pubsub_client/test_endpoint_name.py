"""What an endpoint's name tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_client._endpoint import EndpointName

prefixes = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True)
regions = st.sampled_from(["eu-west-1", "us-gov-west-1", "ap-southeast-12", "cn-north-1", "eusc-de-east-1"])
suffixes = st.sampled_from(["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "localhost", "localhost:4566"])
schemes = st.sampled_from([None, "wss", "https", "mqtts"])
paths = st.sampled_from(["", "/", "/mqtt", "/mqtt?x=1"])


@given(prefixes, st.booleans(), regions, suffixes, schemes, paths)
def test_what_a_name_is_made_of_is_found_again(
    prefix: str, ats: bool, region: str, suffix: str, scheme: str | None, path: str
) -> None:
    bare = f"{prefix}{'-ats' if ats else ''}.iot.{region}.{suffix}"
    name = EndpointName.parse(f"{f'{scheme}://' if scheme else ''}{bare}{path}")
    assert name == EndpointName(bare, scheme, path, prefix, ats, region)
    assert name.is_bare == (scheme is None and not path)
    assert name.host == bare.removesuffix(":4566")


@given(st.text())
def test_nothing_is_refused_and_nothing_but_the_edges_is_lost(text: str) -> None:
    name = EndpointName.parse(text)
    assert name.bare in text
    assert name.path in text


@pytest.mark.parametrize(
    "text",
    [
        "iot.example.com",
        "abc-ats.iot.eu-west-1.amazonaws.co",
        "abc-ats.iot.amazonaws.com",
        "iot.eu-west-1.amazonaws.com",
        "abc-ats.eu-west-1.amazonaws.com",
        "a1.credentials.iot.eu-west-1.amazonaws.com",
        "",
    ],
)
def test_a_name_in_another_form_has_no_prefix_and_no_region(text: str) -> None:
    name = EndpointName.parse(text)
    assert (name.prefix, name.region, name.ats) == (None, None, False)


def test_amplify_takes_an_address_with_scheme_and_path() -> None:
    assert EndpointName.parse("x-ats.iot.eu-west-1.amazonaws.com").amplify_url == (
        "wss://x-ats.iot.eu-west-1.amazonaws.com/mqtt"
    )


def test_the_case_of_the_letters_does_not_matter() -> None:
    name = EndpointName.parse("X-ATS.IoT.eu-west-1.AmazonAWS.com")
    assert (name.prefix, name.ats, name.region) == ("x", True, "eu-west-1")
