"""The region is the one that the AWS CLI would choose, for everything that makes a boto3 session."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ProfileNotFound

from pubsub_cli.aws import Aws
from pubsub_client._aws_sdk import SdkCredentials, sdk_session

# --region, AWS_REGION, AWS_DEFAULT_REGION, the profile's region; which of them it is.
_PRECEDENCE = [
    ("eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "eu-west-1"),
    (None, "eu-west-2", "eu-west-3", "eu-north-1", "eu-west-2"),
    (None, "eu-west-2", None, "eu-north-1", "eu-west-2"),
    (None, "eu-west-2", None, None, "eu-west-2"),
    (None, None, "eu-west-3", "eu-north-1", "eu-west-3"),
    (None, "", "eu-west-3", "eu-north-1", "eu-west-3"),
    (None, None, None, "eu-north-1", "eu-north-1"),
    (None, "", "", "eu-north-1", "eu-north-1"),
    (None, None, None, None, None),
    (None, "", "", None, None),
]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    config.touch()
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    return config


@pytest.mark.parametrize("as_option", [True, False], ids=["--profile", "AWS_PROFILE"])
@pytest.mark.parametrize(("option", "region", "default_region", "of_profile", "chosen"), _PRECEDENCE)
def test_the_region_is_that_of_the_option_the_environment_or_the_profile_in_this_order(
    option: str | None,
    region: str | None,
    default_region: str | None,
    of_profile: str | None,
    chosen: str | None,
    as_option: bool,
    monkeypatch: pytest.MonkeyPatch,
    nothing_set: Path,
) -> None:
    for name, value in (("AWS_REGION", region), ("AWS_DEFAULT_REGION", default_region)):
        if value is not None:
            monkeypatch.setenv(name, value)
    nothing_set.write_text("[profile acme]\noutput = json\n" + (f"region = {of_profile}\n" if of_profile else ""))
    if not as_option:
        monkeypatch.setenv("AWS_PROFILE", "acme")
    profile = "acme" if as_option else None
    assert Aws(profile, option).region == chosen
    assert sdk_session(profile, option).region_name == chosen
    if option is None:
        assert SdkCredentials(profile)._session.region_name == chosen


@pytest.mark.parametrize("default_region", [None, ""])
def test_a_profile_that_is_missing_is_said_so(default_region: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if default_region is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", default_region)
    with pytest.raises(ProfileNotFound):
        Aws("missing")


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({"AWS_REGION": "eu-west-1"}, " --region eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, " --region eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}, ""),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, ""),
        ({}, ""),
    ],
)
def test_commands_name_a_region_that_version_1_of_the_aws_cli_would_not_choose(
    variables: dict[str, str], options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Aws().cli_options == options
