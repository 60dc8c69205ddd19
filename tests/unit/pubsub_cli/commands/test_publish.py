"""Wrong topics and payloads, rejected before anything is published."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app
from pubsub_cli.errors import PreconditionError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--topic", "t"], "give one of PAYLOAD, --text and --bytes-from"),
        (["--topic", "t", "1", "--text", "one"], "give one of PAYLOAD, --text and --bytes-from"),
        (["--topic", "t", "--text", "one", "--bytes-from", "-"], "give one of PAYLOAD, --text and --bytes-from"),
        (["1"], "Missing option '--topic'"),
        (["--topic", "t", "--topic", "t/+", "1"], "--topic: the topic 't/+' has a wildcard"),
        (["--topic", "", "1"], "--topic: the topic is empty"),
        (["--topic", "t", "1", "--qos", "2"], "--qos"),
        (["--topic", "t", "packed"], "PAYLOAD is not JSON, at line 1, column 1: Expecting value. To publish a text"),
        (["--topic", "t", '{"a": 1,\n "b": }'], "PAYLOAD is not JSON, at line 2, column 7"),
        (["--topic", "t", "[NaN]"], "PAYLOAD is not JSON, which has no NaN"),
        (
            ["--topic", "t", "-", "--user", "ada", "--password-stdin"],
            "--password-stdin and PAYLOAD - would both read standard input",
        ),
        (
            ["--topic", "t", "--bytes-from", "-", "--user", "ada", "--password-stdin"],
            "--password-stdin and --bytes-from - would both read standard input",
        ),
    ],
)
def test_publish_rejects_wrong_usage(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["publish", *arguments])
    assert done.exit_code == 2
    assert message in done.output


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b'{"a": 1}}', "at line 1, column 9: Extra data"),
        (b"", "at line 1, column 1: Expecting value"),
        (b'"\xff"', "can't decode byte 0xff"),
        (b"[" * 100_000, "recursion"),
        (b"1" * 5_000, "limit"),
    ],
    ids=["more than one", "nothing", "no UTF-8", "too deep", "too long a number"],
)
def test_publish_rejects_other_than_json_on_standard_input(given: bytes, message: str) -> None:
    done = CliRunner().invoke(app, ["publish", "--topic", "t", "-"], input=given)
    assert done.exit_code == 2
    assert "PAYLOAD is not JSON, " in done.output
    assert message in done.output


def test_publish_names_an_unreadable_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["publish", "--topic", "t", "--bytes-from", str(tmp_path / "none")])
    assert isinstance(done.exception, PreconditionError)
    assert str(done.exception) == f"--bytes-from: {tmp_path / 'none'} cannot be read: No such file or directory"
