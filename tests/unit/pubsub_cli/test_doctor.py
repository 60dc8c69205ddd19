"""`pubsub doctor` with the ids of a deployment, as an operator and as a front end's user."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app
from tests.unit.pubsub_cli.checks.stubbed_aws import token

_IDS = ["--user-pool-id", "p", "--identity-pool-id", "i", "--endpoint", "e-ats.iot.eu-west-1.amazonaws.com"]


pytestmark = pytest.mark.usefixtures("no_credentials")


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


def test_doctor_as_end_user_ignores_aws_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    file = tmp_path / "token"
    file.write_text(token())
    command = [
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
    assert "also needs --policy-name" in CliRunner().invoke(app, command).output
    done = CliRunner().invoke(app, [*command, "--as-end-user"])
    assert done.exit_code == 1
    assert "The ID token expired at" in done.output
