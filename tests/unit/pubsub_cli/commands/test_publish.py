"""Wrong topics and payloads, rejected before anything is published."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app


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
