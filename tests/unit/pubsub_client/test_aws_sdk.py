"""The AWS credentials that boto3 finds in files, in the environment and by a credential process."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
from botocore.credentials import SSOProvider
from botocore.tokens import SSOTokenProvider

from pubsub_client._aws_sdk import SdkCredentials
from pubsub_client._credentials import Credentials
from pubsub_client.exceptions import ConfigurationError, SessionError

START_URL = "https://example.awsapps.com/start"
# Prints another key each time. Its lifetime is so short that boto3 runs the program again.
PROGRAM = """
import datetime, json, pathlib
calls = pathlib.Path(__file__).with_suffix(".calls")
calls.write_text((calls.read_text() if calls.exists() else "") + "x")
end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1)
key = f"key-{len(calls.read_text())}"
print(json.dumps({"Version": 1, "AccessKeyId": key, "SecretAccessKey": "s3cret", "SessionToken": "t0ken",
                  "Expiration": end.isoformat()}))
"""


class Configuration:
    """An AWS configuration file, and the AWS CLI's cache of SSO tokens."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "config"

    def profile(self, name: str, **settings: str) -> None:
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        self.file.write_text(f"[profile {name}]\n{''.join(lines)}")

    def sso_profile(self, name: str) -> None:
        self.profile(
            name,
            sso_start_url=START_URL,
            sso_region="eu-west-1",
            sso_account_id="111111111111",
            sso_role_name="service",
        )

    def sso_token(self, expires_at: str) -> None:
        key = hashlib.sha1(START_URL.encode(), usedforsecurity=False).hexdigest()
        token = {"startUrl": START_URL, "region": "eu-west-1", "accessToken": "t0ken", "expiresAt": expires_at}
        (self.directory / f"{key}.json").write_text(json.dumps(token))


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    configuration = Configuration(tmp_path)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(configuration.file))
    for provider in (SSOProvider, SSOTokenProvider):
        monkeypatch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", str(tmp_path))
    return configuration


async def test_long_term_keys_have_no_session_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    assert await SdkCredentials().credentials() == Credentials("AKID", "s3cret", None, None)


async def test_profile_is_read_from_the_configuration(configuration: Configuration) -> None:
    configuration.profile("a", aws_access_key_id="AKID", aws_secret_access_key="s3cret", aws_session_token="t0ken")
    assert await SdkCredentials("a").credentials() == Credentials("AKID", "s3cret", "t0ken")


async def test_credentials_that_expire_soon_are_fetched_again(configuration: Configuration) -> None:
    program = configuration.directory / "program.py"
    program.write_text(PROGRAM)
    configuration.profile("a", credential_process=f"{sys.executable} {program}")
    source = SdkCredentials("a")
    credentials = [await source.credentials() for _ in range(3)]
    first = int(credentials[0].access_key_id.removeprefix("key-"))
    assert credentials == [Credentials(f"key-{first + number}", "s3cret", "t0ken") for number in range(3)]


async def test_missing_credentials_are_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    source = SdkCredentials()
    with pytest.raises(SessionError, match=r"finds no AWS credentials; pass a profile, set AWS_ACCESS_KEY_ID"):
        await source.credentials()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    assert (await source.credentials()).access_key_id == "AKID"


@pytest.mark.parametrize("expires_at", [None, "2026-01-01T00:00:00Z"], ids=["no session", "expired session"])
async def test_expired_sso_session_names_the_login_command(
    configuration: Configuration, expires_at: str | None
) -> None:
    configuration.sso_profile("desk")
    if expires_at:
        configuration.sso_token(expires_at)
    with pytest.raises(SessionError, match=r"[^.]; sign in again with: aws sso login --profile desk$"):
        await SdkCredentials("desk").credentials()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"credential_process": "false"}, "custom-process"),
        ({"aws_access_key_id": "AKID"}, "missing: aws_secret_access_key"),
        ({"role_arn": "arn:aws:iam::111111111111:role/a", "source_profile": "gone"}, '"gone" .* does not exist'),
    ],
)
async def test_error_of_boto3_is_in_the_message(
    configuration: Configuration, settings: dict[str, str], message: str
) -> None:
    configuration.profile("a", **settings)
    with pytest.raises(SessionError, match=f"boto3 cannot get AWS credentials: .*{message}"):
        await SdkCredentials("a").credentials()


def test_unknown_profile_is_named(configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration.profile("a")
    with pytest.raises(ConfigurationError, match=r"\(production\)"):
        SdkCredentials("production")
    monkeypatch.setenv("AWS_PROFILE", "staging")
    with pytest.raises(ConfigurationError, match=r"\(staging\)"):
        SdkCredentials()


def test_unreadable_configuration_is_named(configuration: Configuration) -> None:
    configuration.file.write_text("[profile a\n")
    with pytest.raises(ConfigurationError, match=str(configuration.file)):
        SdkCredentials()
