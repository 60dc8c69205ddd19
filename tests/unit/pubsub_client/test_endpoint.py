"""Endpoints, and the way to them that the environment prescribes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pubsub_client._endpoint import Endpoint, Proxy, ca_bundle
from pubsub_client.exceptions import ConfigurationError

HOST = "abc123-ats.iot.eu-west-1.amazonaws.com"


@pytest.fixture(autouse=True)
def no_network_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)


def test_aws_iot_is_reached_by_tls_on_port_443() -> None:
    assert Endpoint.parse(HOST) == Endpoint(HOST, 443, tls=True, authority=HOST)


@pytest.mark.parametrize("name", ["localhost", "x-ats.iot.us-east-1.localhost", "X.LOCALHOST"])
def test_a_name_below_localhost_is_loopback_without_tls_and_keeps_its_name(name: str) -> None:
    authority = f"{name}:4566"
    assert Endpoint.parse(authority) == Endpoint("127.0.0.1", 4566, tls=False, authority=authority)


@pytest.mark.parametrize("name", ["localhost.example.com", "notlocalhost", "127.0.0.1"])
def test_a_name_that_only_looks_local_is_reached_by_tls(name: str) -> None:
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
def test_what_is_not_a_bare_host_is_refused_with_the_value_and_the_right_form(text: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Endpoint.parse(text)
    assert repr(text) in str(refusal.value)
    assert "amazonaws.com" in str(refusal.value)


def test_without_settings_nothing_stands_in_between() -> None:
    assert Endpoint.parse(HOST).proxy() is None
    assert ca_bundle() is None


@pytest.mark.parametrize(
    ("address", "proxy"),
    [
        ("http://proxy.example:3128", Proxy("proxy.example", 3128)),
        ("proxy.example:3128", Proxy("proxy.example", 3128)),
        ("http://proxy.example", Proxy("proxy.example", 80)),
        ("http://ada:p%40ss@proxy.example:3128", Proxy("proxy.example", 3128, "ada", "p@ss")),
    ],
)
def test_the_proxy_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch, address: str, proxy: Proxy) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    assert Endpoint.parse(HOST).proxy() == proxy


def test_no_proxy_leads_past_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", ".amazonaws.com")
    assert Endpoint.parse(HOST).proxy() is None


def test_loopback_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    endpoint = Endpoint.parse("x.iot.us-east-1.localhost:4566")
    assert endpoint.proxy() is None


def test_a_proxy_that_is_reached_by_tls_is_refused_without_showing_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "https://ada:secret@proxy.example")
    with pytest.raises(ConfigurationError, match=r"https://proxy\.example") as refusal:
        Endpoint.parse(HOST).proxy()
    assert "secret" not in str(refusal.value)


def test_a_proxys_password_is_not_shown() -> None:
    assert "secret" not in repr(Proxy("proxy.example", 80, "ada", "secret"))


def test_a_missing_file_of_authorities_is_told_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match=r"AWS_CA_BUNDLE names .*missing\.pem"):
        ca_bundle()
