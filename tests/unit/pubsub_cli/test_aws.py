"""Where AWS answers, where something else does, and what clients share."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from pubsub_cli.aws import Aws
from pubsub_client._aws_sdk import sdk_session

_ELSEWHERE = "http://127.0.0.1:4566"
_SERVICES: tuple[Literal["cognito-idp", "cognito-identity", "sts"], ...] = ("cognito-idp", "cognito-identity", "sts")


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "us-gov-west-1"])
@pytest.mark.parametrize("variables", [{}, {"AWS_USE_FIPS_ENDPOINT": "true"}, {"AWS_USE_DUALSTACK_ENDPOINT": "true"}])
def test_aws_itself_is_nowhere_else(region: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert [Aws(region=region).custom_endpoint_url(service) for service in _SERVICES] == [None, None, None]


def test_an_option_a_variable_and_a_profile_lead_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"[profile local]\nregion = us-east-1\nendpoint_url = {_ELSEWHERE}\n")
    assert Aws(region="us-east-1", endpoint_url=_ELSEWHERE).custom_endpoint_url("sts") == f"{_ELSEWHERE}/"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert Aws(profile="local").custom_endpoint_url("cognito-idp") == f"{_ELSEWHERE}/"
    monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", _ELSEWHERE)
    aws = Aws(region="us-east-1")
    assert [aws.custom_endpoint_url(service) for service in _SERVICES] == [None, f"{_ELSEWHERE}/", None]


def test_sessions_share_descriptions_of_services() -> None:
    loaders = [sdk_session(region="eu-west-1")._session.get_component("data_loader") for _ in range(3)]
    assert all(each is loaders[0] for each in loaders)
    assert len(loaders[0].search_paths) == len({*loaders[0].search_paths})
