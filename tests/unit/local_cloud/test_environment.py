from __future__ import annotations

import os

import pytest

from local_cloud.process import LocalCloud

POISON = {
    "AWS_PROFILE": "production",
    "AWS_DEFAULT_PROFILE": "production",
    "AWS_CONFIG_FILE": "/home/ada/.aws/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/home/ada/.aws/credentials",
    "AWS_ACCESS_KEY_ID": "AKIAPRODUCTION",
    "AWS_SECRET_ACCESS_KEY": "production",
    "AWS_SESSION_TOKEN": "production",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ENDPOINT_URL": "https://example.com",
    "AWS_ENDPOINT_URL_IOT": "https://example.com",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_CA_BUNDLE": "/etc/ca.pem",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/token",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/credentials",
    "CDK_DEFAULT_ACCOUNT": "123456789012",
    "HTTP_PROXY": "http://proxy",
    "https_proxy": "http://proxy",
    "ALL_PROXY": "http://proxy",
    "no_proxy": "",
}
CLOUD = LocalCloud(port=4566, pid=1)


def test_environment_reaches_only_the_cloud() -> None:
    environment = CLOUD.environment(POISON)
    assert {name for name, value in POISON.items() if environment.get(name) == value} == set()
    assert {name: value for name, value in environment.items() if name.startswith("AWS_")} == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    proxies = {name: value for name, value in environment.items() if name.lower().endswith("_proxy")}
    assert proxies == {"NO_PROXY": "127.0.0.1,localhost,.localhost"}


def test_environment_keeps_other_variables_and_does_not_change_the_base() -> None:
    base = {**POISON, "HOME": "/home/ada"}
    before = dict(base)
    assert CLOUD.environment(base)["HOME"] == "/home/ada"
    assert base == before


def test_environment_starts_from_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("PROJECT", "kept")
    environment = CLOUD.environment()
    assert "AWS_PROFILE" not in environment
    assert environment["PROJECT"] == "kept"
