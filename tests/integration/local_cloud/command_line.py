"""``python -m local_cloud``, as a person types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_cloud.state import State

REPOSITORY = Path(__file__).parents[3]


class CommandLine:
    """The command line with a state directory of its own."""

    def __init__(self, state: State) -> None:
        self.state = state

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "local_cloud", *arguments, "--state-dir", str(self.state.directory)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
