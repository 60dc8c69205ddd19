"""Wrong options of the doctor, rejected before any AWS call."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app
from pubsub_cli.errors import PreconditionError
from tests.unit.pubsub_cli.checks.test_options import token

_IDS = ["--user-pool-id", "p", "--identity-pool-id", "i", "--endpoint", "e-ats.iot.eu-west-1.amazonaws.com"]


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, no region, no terminal."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--user", "a", "--identity-id", "eu-west-1:1"], "give one of --user, --identity-id and --id-token"),
        (["--user", ""], "--user: no name given"),
        (["--password-stdin"], "--password-stdin goes with --user"),
        (["--identity-id", "nonsense"], "--identity-id: 'nonsense' given"),
        (["--only", "PS999"], "--only: there is no check PS999"),
        (["--skip", "PS999"], "--skip: there is no check PS999"),
        (["--yes"], "--yes confirms what --fix asks"),
        (["--junit", "/nowhere/at/all.xml"], "--junit: there is no directory"),
        (["--keep-alive", "-1"], "--keep-alive"),
        (
            ["--region", "eu-west-2", "--identity-pool-id", "eu-west-1:1"],
            "--region is eu-west-2, and --identity-pool-id is in eu-west-1",
        ),
    ],
)
def test_doctor_names_the_wrong_option(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["doctor", *arguments])
    assert done.exit_code == 2
    assert message in done.output


def test_doctor_without_credentials_names_the_options_of_a_front_ends_user() -> None:
    done = CliRunner().invoke(app, ["doctor"])
    assert isinstance(done.exception, PreconditionError)
    assert "--id-token, --identity-pool-id, --endpoint and --region" in str(done.exception)


def test_doctor_with_ids_needs_credentials_or_a_token() -> None:
    done = CliRunner().invoke(app, ["doctor", "--region", "eu-west-1", *_IDS])
    assert isinstance(done.exception, PreconditionError)
    assert "--id-token" in str(done.exception)


def test_doctor_names_missing_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text(token())
    done = CliRunner().invoke(app, ["doctor", "--id-token", str(file), "--endpoint", "e"])
    assert done.exit_code == 2
    assert "also needs --region, --identity-pool-id" in done.output
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    done = CliRunner().invoke(app, ["doctor", "--region", "eu-west-1", *_IDS])
    assert done.exit_code == 2
    assert "also needs --policy-name" in done.output


def test_doctor_fix_without_a_terminal_needs_yes() -> None:
    done = CliRunner().invoke(app, ["doctor", "--fix"])
    assert isinstance(done.exception, PreconditionError)
    assert "give --yes" in str(done.exception)


def test_doctor_names_an_unreadable_id_token_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--id-token", str(tmp_path / "none")])
    assert isinstance(done.exception, PreconditionError)
    assert "cannot be read" in str(done.exception)


def test_doctor_as_end_user_ignores_aws_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    file = tmp_path / "token"
    file.write_text(token())
    asked = [
        "doctor",
        "--id-token",
        str(file),
        "--identity-pool-id",
        "eu-west-1:1",
        "--endpoint",
        "e",
        "--only",
        "PS106",
    ]
    assert "also needs --policy-name" in CliRunner().invoke(app, asked).output
    done = CliRunner().invoke(app, [*asked, "--as-end-user"])
    assert done.exit_code == 1
    assert "The ID token has expired" in done.output


@pytest.mark.parametrize("content", [None, "{"])
def test_doctor_rejects_an_unreadable_package_json(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "package.json"
    if content:
        file.write_text(content)
    done = CliRunner().invoke(app, ["doctor", "--package-json", str(file)])
    assert isinstance(done.exception, PreconditionError)
    assert str(done.exception).startswith(f"--package-json: {file} cannot be read")
