from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel

from stacks.adopt import Adopt
from stacks.settings import AttachPerSecond, Settings, Sweep
from tools.settings_page import document, settings

_DOCS = Path(__file__).parents[3] / "docs"
_OBJECTS: dict[str, type[BaseModel]] = {"adopt": Adopt, "attachPerSecond": AttachPerSecond, "sweep": Sweep}


def test_the_page_is_what_the_settings_say() -> None:
    page = (_DOCS / "reference" / "settings.md").read_text()
    assert page == document(), "run: python -m tools.settings_page > docs/reference/settings.md"


def test_every_key_is_on_it() -> None:
    expected = {field.alias for name, field in Settings.model_fields.items() if name != "environment"}
    for key, model in _OBJECTS.items():
        expected |= {f"{key}.{field.alias}" for field in model.model_fields.values()}
    assert {each.path for each in settings()} == expected


def test_every_key_says_what_it_does_and_what_it_takes() -> None:
    for each in settings():
        assert each.text.endswith((".", ")")), each.path
        assert bool(each.allowed) == (each.path not in _OBJECTS), each.path


def test_a_default_is_the_one_that_holds_when_nothing_is_set() -> None:
    defaults = {each.path: each.default for each in settings()}
    assert defaults["attachment"] == "`sign-in`"
    assert defaults["attachPerSecond.retry"] == "`8`"
    assert defaults["alarmTopicArn"] == "none"


def test_it_says_what_is_allowed() -> None:
    allowed = {each.path: each.allowed for each in settings()}
    assert allowed["mfa"] == "`off`, `optional`"
    assert allowed["attachmentCacheDays"] == "a whole number from 1 to 365"
    assert allowed["attachmentCacheVersion"] == "a whole number from 1"
    assert allowed["adopt.userPoolId"].startswith("text of the pattern `")
    assert allowed["adopt.chainedTriggers"].startswith("a list, each `PostAuthentication`, ")


def test_pages_are_linked_as_they_lie_beside_it() -> None:
    assert "[deploy](../how-to/deploy.md#rename-the-policy)" in document()
    assert not re.search(r"docs/[a-z/-]+\.md", document())
