"""Processes that a test starts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import AnyStr


@contextmanager
def ended(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """Wait for a process when the block ends; a block that fails kills it, so that no test waits for ever."""
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
