"""The arguments of a provider for any broker, and its explanations of denials."""

from __future__ import annotations

from pathlib import Path

import pytest

from pubsub_client import MqttOverWebSocket
from pubsub_client._endpoint import Endpoint, Proxy
from pubsub_client._provider import Operation
from pubsub_client.exceptions import ConfigurationError


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("ws://broker.example", Endpoint("broker.example", 80, tls=False, authority="broker.example")),
        ("wss://broker.example", Endpoint("broker.example", 443, tls=True, authority="broker.example")),
        ("wss://b.example:8084/mqtt", Endpoint("b.example", 8084, tls=True, authority="b.example:8084")),
        ("ws://x.localhost:9001/", Endpoint("127.0.0.1", 9001, tls=False, authority="x.localhost:9001")),
        ("ws://[::1]:9001/", Endpoint("::1", 9001, tls=False, authority="[::1]:9001")),
    ],
)
def test_url_names_host_port_and_tls(url: str, endpoint: Endpoint) -> None:
    assert MqttOverWebSocket(url).endpoint == endpoint


@pytest.mark.parametrize(
    ("url", "path"),
    [("ws://b.example", "/"), ("ws://b.example/mqtt", "/mqtt"), ("ws://b.example/mqtt?a=b%20c", "/mqtt?a=b%20c")],
)
async def test_path_and_query_go_into_the_request(url: str, path: str) -> None:
    assert (await MqttOverWebSocket(url).upgrade_request()).path == path


async def test_headers_go_into_the_request_and_are_not_shown() -> None:
    request = await MqttOverWebSocket("ws://b.example", headers={"X-Key": "secret"}).upgrade_request()
    assert request.headers == {"X-Key": "secret"}
    assert "secret" not in repr(request)


@pytest.mark.parametrize(
    "url",
    ["", "broker.example", "http://b.example", "mqtt://b.example:1883", "ws://", "ws://b.example:0", "ws://b:99999",
     "ws://b.example/a b", "ws://b.example/#x"],
)  # fmt: skip
def test_invalid_url_is_rejected(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a WebSocket URL"):
        MqttOverWebSocket(url)


def test_error_of_a_url_with_a_password_does_not_show_it() -> None:
    with pytest.raises(ConfigurationError, match="pass user_name and password instead") as refusal:
        MqttOverWebSocket("ws://ada:secret@b.example")
    assert "secret" not in str(refusal.value)


def test_password_without_user_name_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="password requires user_name"):
        MqttOverWebSocket("ws://b.example", password="secret")


@pytest.mark.parametrize("name", ["Host", "Sec-WebSocket-Protocol", "upgrade"])
def test_header_that_the_client_sets_is_rejected(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"headers contains '{name}', which the client sets itself"):
        MqttOverWebSocket("ws://b.example", headers={name: "x"})


@pytest.mark.parametrize(("name", "value"), [("a b", "c"), ("", "c"), ("a", "b\r\nc: d")])
def test_invalid_header_is_rejected(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match="not an HTTP header"):
        MqttOverWebSocket("ws://b.example", headers={name: value})


def test_proxy_argument_applies_to_loopback_and_without_tls() -> None:
    provider = MqttOverWebSocket("ws://127.0.0.1:9001", proxy="http://ada:p%40ss@proxy.example:3128")
    assert provider.endpoint.proxy() == Proxy("proxy.example", 3128, "ada", "p@ss")


@pytest.mark.parametrize("proxy", ["https://proxy.example", "socks5://proxy.example", "http://proxy.example:x"])
def test_unsupported_proxy_is_rejected(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="proxy is"):
        MqttOverWebSocket("ws://b.example", proxy=proxy)


def test_ca_file_is_rejected_if_missing_or_without_tls(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"ca_file is .*missing\.pem"):
        MqttOverWebSocket("wss://b.example", ca_file=tmp_path / "missing.pem")
    (tmp_path / "ca.pem").write_text("")
    with pytest.raises(ConfigurationError, match="ca_file requires TLS"):
        MqttOverWebSocket("ws://b.example", ca_file=tmp_path / "ca.pem")


def test_ca_file_without_certificates_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        MqttOverWebSocket("wss://b.example", ca_file=tmp_path / "ca.pem")


async def test_denials_name_the_setting_to_check() -> None:
    provider = MqttOverWebSocket("ws://b.example", user_name="ada", password="secret")
    assert "may require other headers or another path" in provider.explain_denied_upgrade()
    assert "check user name and password" in provider.explain_denial(Operation.CONNECT, "me")
    assert (
        "user 'ada' lacks the permission for publishing to a/b; check the broker's access control list"
        in provider.explain_denial(Operation.PUBLISH, "a/b")
    )
    assert await provider.recover_from_denial() is None
