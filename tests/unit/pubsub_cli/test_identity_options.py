"""Wrong identity options are rejected before any AWS call."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app
from pubsub_cli.errors import PreconditionError
from pubsub_cli.identity_options import read_id_token

_IDENTITY_ID = "us-east-1:00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("identity", ()),
        ("attach", ("--user", "ada", "--identity-id", _IDENTITY_ID)),
        ("detach", ("--user", "ada", "--id-token", "-")),
        ("identity", ("--user", "")),
        ("identity", ("--identity-id", "ada")),
        ("detach", ("--per-second", "5")),
        ("detach", ("--all", "--user", "ada")),
    ],
)
def test_wrong_identity_option_is_named(command: str, arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [command, *arguments])
    assert done.exit_code == 2
    assert (arguments[:1] or ("--user",))[0] in done.stderr
    assert done.stdout == ""


def test_unreadable_id_token_file_is_named() -> None:
    with pytest.raises(PreconditionError, match=r"^--id-token: /no/such/file cannot be read: "):
        read_id_token("/no/such/file")
