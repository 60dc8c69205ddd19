from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from attachment.background_imports import BackgroundImports
from attachment.deadline import DeadlineExceededError, deadline

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose Python files can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_an_import_that_takes_too_long_goes_on_and_is_whole_the_next_time(modules: Path) -> None:
    (modules / "slow_one.py").write_text("import time\nbegun = True\ntime.sleep(0.5)\nended = True\n")
    imports = BackgroundImports()
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError), deadline(0.1):
        imports.module("slow_one")
    assert time.monotonic() - started < 0.4
    module = imports.module("slow_one")
    assert (module.begun, module.ended) == (True, True)
    assert module is sys.modules["slow_one"]


def test_another_import_waits_for_the_one_under_way(modules: Path) -> None:
    (modules / "first_one.py").write_text("import time\ntime.sleep(0.3)\nimport sys\nsys.first_is_done = True\n")
    (modules / "second_one.py").write_text("import sys\nfirst_was_done = hasattr(sys, 'first_is_done')\n")
    imports = BackgroundImports()
    with pytest.raises(DeadlineExceededError), deadline(0.05):
        imports.module("first_one")
    assert imports.module("second_one").first_was_done


def test_an_import_that_fails_says_why_and_is_tried_again(modules: Path) -> None:
    (modules / "broken_one.py").write_text("raise LookupError('no SDK')\n")
    imports = BackgroundImports()
    with pytest.raises(LookupError, match="no SDK"):
        imports.module("broken_one")
    (modules / "broken_one.py").write_text("mended = True  # and longer than it was\n")
    assert imports.module("broken_one").mended
