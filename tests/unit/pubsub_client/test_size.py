"""Every module of the library can be read in one go."""

from __future__ import annotations

from pathlib import Path

import pubsub_client

_LINES = 400


def test_no_module_is_longer_than_400_lines() -> None:
    root = Path(pubsub_client.__file__).parent
    lines = {str(each.relative_to(root)): len(each.read_text().splitlines()) for each in root.rglob("*.py")}
    assert {name: count for name, count in lines.items() if count > _LINES} == {}
