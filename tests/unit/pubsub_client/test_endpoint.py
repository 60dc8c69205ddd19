"""Endpoints, their names, and the proxy and authorities of the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_client._endpoint import Endpoint, EndpointName, Proxy, ca_bundle
from pubsub_client.exceptions import ConfigurationError

HOST = "abc123-ats.iot.eu-west-1.amazonaws.com"


def test_aws_iot_endpoint_uses_tls_on_port_443() -> None:
    assert Endpoint.parse(HOST) == Endpoint(HOST, 443, tls=True, authority=HOST)


@pytest.mark.parametrize("name", ["localhost", "x-ats.iot.us-east-1.localhost", "X.LOCALHOST"])
def test_endpoint_below_localhost_is_loopback_without_tls(name: str) -> None:
    authority = f"{name}:4566"
    assert Endpoint.parse(authority) == Endpoint("127.0.0.1", 4566, tls=False, authority=authority)


@pytest.mark.parametrize("name", ["localhost.example.com", "notlocalhost", "127.0.0.1"])
def test_endpoint_that_only_looks_local_uses_tls(name: str) -> None:
    assert Endpoint.parse(name).tls


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"wss://{HOST}",
        f"https://{HOST}",
        f"{HOST}/mqtt",
        f"{HOST} ",
        f"{HOST}:",
        f"{HOST}:0",
        f"{HOST}:65536",
        "a b",
    ],
)
def test_endpoint_that_is_not_a_bare_host_is_rejected(text: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Endpoint.parse(text)
    assert repr(text) in str(refusal.value)
    assert "amazonaws.com" in str(refusal.value)


@pytest.mark.parametrize(
    ("address", "proxy"),
    [
        ("http://proxy.example:3128", Proxy("proxy.example", 3128)),
        ("proxy.example:3128", Proxy("proxy.example", 3128)),
        ("http://proxy.example", Proxy("proxy.example", 80)),
        ("http://ada:p%40ss@proxy.example:3128", Proxy("proxy.example", 3128, "ada", "p@ss")),
    ],
)
def test_proxy_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, address: str, proxy: Proxy) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    assert Endpoint.parse(HOST).proxy() == proxy


@pytest.mark.parametrize(("endpoint", "excluded"), [(HOST, ".amazonaws.com"), ("x.iot.us-east-1.localhost:4566", "")])
def test_no_proxy_and_loopback_use_no_proxy(monkeypatch: pytest.MonkeyPatch, endpoint: str, excluded: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", excluded)
    assert Endpoint.parse(endpoint).proxy() is None


def test_error_of_an_unsupported_proxy_has_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "https://ada:secret@proxy.example")
    with pytest.raises(ConfigurationError, match=r"https://proxy\.example") as refusal:
        Endpoint.parse(HOST).proxy()
    assert "secret" not in str(refusal.value)
    assert "secret" not in repr(Proxy("proxy.example", 80, "ada", "secret"))


def test_missing_ca_bundle_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match=r"AWS_CA_BUNDLE is .*missing\.pem, which does not exist"):
        ca_bundle()


prefixes = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True)
regions = st.sampled_from(["eu-west-1", "us-gov-west-1", "ap-southeast-12", "cn-north-1", "eusc-de-east-1"])
suffixes = st.sampled_from(["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "localhost", "localhost:4566"])
schemes = st.sampled_from([None, "wss", "https", "mqtts"])
paths = st.sampled_from(["", "/", "/mqtt", "/mqtt?x=1"])


@given(prefixes, st.booleans(), regions, suffixes, schemes, paths)
def test_endpoint_name_is_split_into_its_parts(
    prefix: str, ats: bool, region: str, suffix: str, scheme: str | None, path: str
) -> None:
    bare = f"{prefix}{'-ats' if ats else ''}.iot.{region}.{suffix}"
    name = EndpointName.parse(f"{f'{scheme}://' if scheme else ''}{bare}{path}")
    assert name == EndpointName(bare, scheme, path, prefix, ats, region)
    assert name.is_bare == (scheme is None and not path)
    assert name.host == bare.removesuffix(":4566")
    assert name.amplify_url == f"wss://{bare}/mqtt"


@given(st.text())
def test_endpoint_name_accepts_any_text(text: str) -> None:
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
        "a1.credentials.iot.eu-west-1.amazonaws.com",
        "data-ats.iot.eu-west-1.amazonaws.com",
        "greengrass-ats.iot.eu-west-1.amazonaws.com",
        "abc.ats.iot.eu-west-1.amazonaws.com",
        "",
    ],
)
def test_endpoint_name_in_another_form_has_no_prefix_and_region(text: str) -> None:
    name = EndpointName.parse(text)
    assert (name.prefix, name.region, name.ats) == (None, None, False)


def test_endpoint_name_of_beijing_has_another_form() -> None:
    name = EndpointName.parse("wss://abc.ats.iot.cn-north-1.amazonaws.com.cn/mqtt")
    assert (name.prefix, name.ats, name.region) == ("abc", True, "cn-north-1")


def test_endpoint_name_ignores_case() -> None:
    name = EndpointName.parse("X-ATS.IoT.eu-west-1.AmazonAWS.com")
    assert (name.prefix, name.ats, name.region) == ("x", True, "eu-west-1")
