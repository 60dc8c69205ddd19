"""`pubsub doctor` with the ids of a deployment, as an operator and as a front end's user."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NoReturn

import pytest
import typer
from typer.testing import CliRunner

from pubsub_cli.app import app
from pubsub_cli.checks.context import Context
from pubsub_cli.options import RunOptions
from tests.unit.pubsub_cli.checks.stubbed_aws import token

_IDS = [
    "--user-pool-id", "eu-west-1_p", "--identity-pool-id", "eu-west-1:1",
    "--endpoint", "e-ats.iot.eu-west-1.amazonaws.com",
]  # fmt: skip


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


_SIGNS_IN = "signs in as the user, which can attach the IoT policy"
_PUBLISHES = "publishes a test message"


@pytest.mark.parametrize(
    ("options", "actions"),
    [
        ("", []),
        ("--user ada", []),
        ("--client-id tablet", []),
        ("--user ada --password-stdin", [_SIGNS_IN, _PUBLISHES]),
        ("--user ada --password-stdin --json", [_SIGNS_IN, _PUBLISHES]),
        ("--user ada --password-stdin --only PS203", [_SIGNS_IN]),
        ("--user ada --password-stdin --skip PS121 --skip PS501", []),
        ("--user ada --password-stdin --only PS301", []),
        (
            "--user ada --password-stdin --client-id tablet",
            [_SIGNS_IN, _PUBLISHES, "disconnects the client that is connected as tablet"],
        ),
    ],
)
def test_doctor_announces_what_it_does_as_the_user(
    monkeypatch: pytest.MonkeyPatch, options: str, actions: list[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")

    def select_only(
        _run: RunOptions, make_context: Callable[[AsyncExitStack], Context], select: Callable[[Context], object]
    ) -> NoReturn:
        select(make_context(AsyncExitStack()))
        raise typer.Exit

    monkeypatch.setattr("pubsub_cli.commands.doctor.show_check_run", select_only)
    done = CliRunner().invoke(app, ["doctor", "--region", "eu-west-1", *options.split()], input="secret\n")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == (f"pubsub: this run {'; '.join(actions)}\n" if actions else "")
