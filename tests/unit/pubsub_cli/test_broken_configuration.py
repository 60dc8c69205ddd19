"""With an unusable AWS configuration every program prints one line and exits with code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tools.__main__
from pubsub_cli import app

_KEYS = "aws_access_key_id = test\naws_secret_access_key = test\n"
_ROLE = "role_arn = arn:aws:iam::111122223333:role/a\n"
_SSO = "sso_account_id = 111122223333\nsso_role_name = dev\n"
_PROFILES = {
    "circular roles": f"{_ROLE}source_profile = y\n[profile y]\n{_ROLE}source_profile = x\n",
    "missing source": f"{_ROLE}source_profile = missing\n",
    "two sources": f"{_ROLE}source_profile = x\ncredential_source = Environment\n{_KEYS}",
    "no source": _ROLE,
    "unknown credential source": f"{_ROLE}credential_source = Nonsense\n",
    "key without secret": "aws_access_key_id = test\n",
    "failing credential process": "credential_process = false\n",
    "missing credential process": "credential_process = /no/such/program\n",
    "malformed credential process output": "credential_process = echo nonsense\n",
    "missing SSO session": f"sso_session = corp\n{_SSO}",
    "incomplete SSO configuration": f"sso_start_url = https://corp.awsapps.com/start\n{_SSO}",
    "SSO without login": (f"sso_start_url = https://corp.awsapps.com/start\nsso_region = us-east-1\n{_SSO}"),
    "missing token file": f"{_ROLE}web_identity_token_file = /no/such/token\n",
    "malformed endpoint": f"endpoint_url = localhost:1\n{_KEYS}",
    "unknown retry mode": f"retry_mode = nonsense\n{_KEYS}",
    "malformed max attempts": f"max_attempts = many\n{_KEYS}",
}


@pytest.fixture
def configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_MAX_ATTEMPTS"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return file


def _run(command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a program in this process; return its exit code and its standard error."""
    program, *arguments = command
    main: Callable[[], object] = app.main if program == "pubsub" else tools.__main__.main
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))  # the program wraps them
    with pytest.raises(SystemExit) as end:
        main()
    code = end.value.code
    return code if isinstance(code, int) else 1, capsys.readouterr().err


@pytest.mark.parametrize(
    ("profile", "command"),
    [
        *((profile, ["pubsub", "outputs"]) for profile in _PROFILES),
        ("no source", ["pubsub", "doctor"]),
        ("no source", ["pubsub", "subscribe", "t"]),
        ("no source", ["tools", "destroy", "--yes"]),
    ],
)
def test_unusable_profile_ends_with_code_2_and_one_line(
    profile: str,
    command: list[str],
    configuration: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configuration.write_text(f"[profile x]\nregion = us-east-1\n{_PROFILES[profile]}")
    code, message = _run([*command, "--profile", "x"], monkeypatch, capsys)
    assert code == 2, message
    (line,) = message.splitlines()
    assert line.startswith(f"{command[0]}: ")
    if profile == "SSO without login":
        assert line.endswith("sign in again with: aws sso login --profile x")


@pytest.mark.parametrize("command", [["pubsub", "outputs"], ["tools", "deploy", "--yes"]], ids=" ".join)
def test_malformed_region_ends_with_code_2(
    command: list[str], configuration: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration.write_text(f"[profile x]\nregion = no region\n{_KEYS}")
    code, message = _run([*command, "--profile", "x"], monkeypatch, capsys)
    assert code == 2
    assert "'no region'" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--profile", "missing"], "pubsub: The config profile (missing) could not be found\n"),
        (
            ["--region", "us-east-1"],
            "pubsub: Unable to locate credentials: give credentials by --profile or the environment\n",
        ),
        ([], "pubsub: no region: give --region or AWS_REGION\n"),
    ],
    ids=["profile", "credentials", "region"],
)
@pytest.mark.usefixtures("no_credentials")
def test_missing_profile_credentials_or_region_ends_with_code_2(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(["pubsub", "smoke", *options], monkeypatch, capsys) == (2, message)
