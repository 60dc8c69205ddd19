"""Long lines are wrapped only on a terminal."""

from __future__ import annotations

import io

import pytest

from pubsub_cli.terminal import fit


@pytest.mark.parametrize(
    ("columns", "text", "lines"),
    [
        (80, "  " + "word " * 20, ["  " + " ".join(["word"] * 15), "  " + " ".join(["word"] * 5)]),
        (
            80,
            "  aws iot attach-policy --policy-name " + "x" * 50,
            ["  aws iot attach-policy \\", "    --policy-name " + "x" * 50],
        ),
        (200, "word " * 20, [("word " * 20).strip()]),
    ],
)
def test_fit_wraps_long_lines_only_on_a_terminal(
    columns: int, text: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    assert fit(text, stream) == text
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(stream, "isatty", lambda: True)
    assert [line.rstrip() for line in fit(text, stream).split("\n")] == lines
