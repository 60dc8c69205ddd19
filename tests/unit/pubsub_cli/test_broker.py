"""Wrong broker options of `pubsub publish` and `pubsub subscribe`, rejected before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app

_BY_URL = ["--broker", "ws://broker.example/mqtt"]


@pytest.mark.parametrize(
    ("arguments", "warned"),
    [
        (["--header", "X-Trace: 1"], None),
        (["--header", f"@{__file__}.key"], None),
        (["--header", "authorization: Bearer s3cret"], "--header has the header authorization"),
        (["--header", "X-Api-Key: s3cret"], "--header has the header X-Api-Key"),
        (["--header", "Cookie: s3cret"], "--header has the header Cookie"),
        (["--proxy", "http://proxy.example:3128"], None),
        (["--proxy", "http://me@proxy.example:3128"], None),
        (["--proxy", "http://me:s3cret@proxy.example:3128"], "--proxy has a password"),
        (["--proxy", "me:s3cret@proxy.example:3128"], "--proxy has a password"),
        (["--broker", "ws://127.0.0.1:1/mqtt?room=1"], None),
        (["--broker", "ws://127.0.0.1:1/mqtt?room=1&access_token=s3cret"], "--broker has access_token in the query"),
    ],
)
def test_secret_argument_is_warned_of_and_not_repeated(arguments: list[str], warned: str | None) -> None:
    # The missing file ends the command after the warnings.
    done = CliRunner().invoke(app, ["subscribe", "t", *_BY_URL, *arguments, "--header", "@/nowhere"])
    assert done.exit_code == 2
    assert ("warning" in done.stderr) is (warned is not None)
    assert warned is None or f"pubsub: warning: {warned}, which other users of this machine can see" in done.stderr
    assert "s3cret" not in done.output


def test_malformed_header_in_a_file_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("A: b\n\nsecret\n")
    done = CliRunner().invoke(app, ["subscribe", "t", *_BY_URL, "--header", f"@{file}"])
    assert "--header: give a name, a colon and a value" in done.output
    assert "secret" not in done.output
