from __future__ import annotations

from pathlib import Path

from tools.cli_page import document

_PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def test_page_of_the_commands_is_up_to_date() -> None:
    assert _PAGE.read_text() == document(), "run: python -m tools.cli_page > docs/reference/cli.md"
