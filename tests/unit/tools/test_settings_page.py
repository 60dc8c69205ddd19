from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel

from stacks.adopt import Adopt
from stacks.settings import AttachPerSecond, Settings, SweepSettings
from tools.settings_page import document, settings

_OBJECTS: dict[str, type[BaseModel]] = {"adopt": Adopt, "attachPerSecond": AttachPerSecond, "sweep": SweepSettings}


def test_committed_settings_page_is_current() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"
    assert page.read_text() == document(), "run: python -m tools.settings_page > docs/reference/settings.md"


def test_settings_page_describes_every_key() -> None:
    expected = {field.alias for name, field in Settings.model_fields.items() if name != "environment"}
    for key, model in _OBJECTS.items():
        expected |= {f"{key}.{field.alias}" for field in model.model_fields.values()}
    assert {each.path for each in settings()} == expected
    for each in settings():
        assert each.text.endswith((".", ")")), each.path
        assert bool(each.facts) == (each.path not in _OBJECTS), each.path


def test_settings_page_links_are_relative() -> None:
    assert "[deploy](../how-to/deploy.md#rename-the-policy)" in document()
    assert not re.search(r"docs/[a-z/-]+\.md", document())
