"""The library stays small enough to be read."""

from __future__ import annotations

from pathlib import Path

import pubsub_client

_LINES = 300


def test_no_module_is_longer_than_300_lines() -> None:
    root = Path(pubsub_client.__file__).parent
    lines = {str(each.relative_to(root)): len(each.read_text().splitlines()) for each in root.rglob("*.py")}
    assert {name: count for name, count in lines.items() if count > _LINES} == {}
