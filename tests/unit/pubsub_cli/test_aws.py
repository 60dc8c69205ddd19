"""Region, endpoints and shared data of the operator's AWS clients."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ProfileNotFound
from urllib3 import HTTPResponse

from pubsub_cli.aws import Aws
from pubsub_cli.cognito_updates import update_of
from pubsub_client._aws_sdk import SdkCredentials, sdk_session

_CUSTOM = "http://127.0.0.1:4566"
_SERVICES: tuple[Literal["cognito-idp", "cognito-identity", "sts"], ...] = ("cognito-idp", "cognito-identity", "sts")


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config"
    file.touch()
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    return file


@pytest.mark.parametrize("as_option", [True, False], ids=["--profile", "AWS_PROFILE"])
@pytest.mark.parametrize(
    ("option", "region", "default_region", "profile_region", "chosen"),
    [
        ("eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "eu-west-1"),
        (None, "eu-west-2", "eu-west-3", "eu-north-1", "eu-west-2"),
        (None, "eu-west-2", None, "eu-north-1", "eu-west-2"),
        (None, "", "eu-west-3", "eu-north-1", "eu-west-3"),
        (None, "", "", "eu-north-1", "eu-north-1"),
        (None, None, None, None, None),
    ],
)
def test_region_comes_from_option_environment_or_profile_in_this_order(
    option: str | None,
    region: str | None,
    default_region: str | None,
    profile_region: str | None,
    chosen: str | None,
    as_option: bool,
    monkeypatch: pytest.MonkeyPatch,
    config: Path,
) -> None:
    for name, value in (("AWS_REGION", region), ("AWS_DEFAULT_REGION", default_region)):
        if value is not None:
            monkeypatch.setenv(name, value)
    config.write_text("[profile acme]\noutput = json\n" + (f"region = {profile_region}\n" if profile_region else ""))
    if not as_option:
        monkeypatch.setenv("AWS_PROFILE", "acme")
    profile = "acme" if as_option else None
    assert Aws(profile, option).region == chosen
    assert sdk_session(profile, option).region_name == chosen
    if option is None:
        assert SdkCredentials(profile)._session.region_name == chosen


@pytest.mark.parametrize("default_region", [None, ""])
def test_missing_profile_is_an_error(default_region: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if default_region is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", default_region)
    with pytest.raises(ProfileNotFound):
        Aws("missing")


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, " --region eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}, ""),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, ""),
    ],
)
def test_cli_options_name_the_region_if_version_1_of_the_aws_cli_chose_another(
    variables: dict[str, str], options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Aws().cli_options == options


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1"])
@pytest.mark.parametrize("variables", [{}, {"AWS_USE_FIPS_ENDPOINT": "true"}, {"AWS_USE_DUALSTACK_ENDPOINT": "true"}])
def test_endpoint_of_aws_is_not_custom(region: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert [Aws(region=region).custom_endpoint_url(service) for service in _SERVICES] == [None, None, None]


def test_endpoint_of_option_variable_and_profile_is_custom(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    config.write_text(f"[profile local]\nregion = us-east-1\nendpoint_url = {_CUSTOM}\n")
    assert Aws(region="us-east-1", endpoint_url=_CUSTOM).custom_endpoint_url("sts") == f"{_CUSTOM}/"
    assert Aws(profile="local").custom_endpoint_url("cognito-idp") == f"{_CUSTOM}/"
    monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", _CUSTOM)
    aws = Aws(region="us-east-1")
    assert [aws.custom_endpoint_url(service) for service in _SERVICES] == [None, f"{_CUSTOM}/", None]


def test_sessions_share_service_descriptions() -> None:
    loaders = [sdk_session(region="eu-west-1")._session.get_component("data_loader") for _ in range(3)]
    assert all(each is loaders[0] for each in loaders)
    assert len(loaders[0].search_paths) == len({*loaders[0].search_paths})


def test_setting_that_the_sdk_does_not_know_is_read_and_prevents_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "unused")
    aws = Aws(region="eu-west-1")
    pool: dict[str, Any] = {"Id": "eu-west-1_abc", "LambdaConfig": {"PostAuthentication": "ours"}}

    def respond(**_: object) -> AWSResponse:
        body = HTTPResponse(BytesIO(json.dumps({"UserPool": pool}).encode()), preload_content=False)
        return AWSResponse("", 200, HTTPHeaders(), body)

    aws._session.events.register("before-send", respond)  # type: ignore[arg-type]

    def update() -> str:
        described = aws.user_pools.describe_user_pool(UserPoolId=pool["Id"])["UserPool"]
        return str(update_of(aws.user_pools, "UpdateUserPool", {**described, "UserPoolId": pool["Id"]}, {}))

    assert update().startswith("aws cognito-idp update-user-pool")
    pool["LambdaConfig"]["Holidays"] = ["2026-12-24"]
    pool["SchemaAttributes"] = [{"Name": "email", "Holiday": True}]
    assert "would reset LambdaConfig.Holidays" in update()
    pool["Holidays"] = ["2026-12-24"]
    assert "would reset LambdaConfig.Holidays, Holidays" in update()
