"""The options that name one identity: wrong usage is refused before AWS is asked."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app
from pubsub_cli.errors import PreconditionError
from pubsub_cli.identity_options import read_id_token

_IDENTITY_ID = "us-east-1:00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("command", ["identity", "attach", "detach"])
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--user", "ada", "--identity-id", _IDENTITY_ID),
        ("--user", "ada", "--id-token", "-"),
        ("--user", ""),
        ("--identity-id", "ada"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_names_the_option(command: str, arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [command, *arguments])
    assert done.exit_code == 2
    assert (arguments[:1] or ("--user",))[0] in done.stderr
    assert done.stdout == ""


def test_file_of_the_id_token_that_cannot_be_read_is_named() -> None:
    with pytest.raises(PreconditionError, match=r"^--id-token: /no/such/file cannot be read: "):
        read_id_token("/no/such/file")
