"""``python -m local_cloud`` as a person types it, called in the test's own process."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from local_cloud.__main__ import main
from local_cloud.state import State

REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True)
class Finished:
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


class CommandLine:
    """The command line with a state directory of its own."""

    def __init__(self, state: State) -> None:
        self.state = state

    def arguments(self, *arguments: str) -> list[str]:
        """Return the command for a process of its own, for what ends with one."""
        return [sys.executable, "-m", "local_cloud", *arguments, "--state-dir", str(self.state.directory)]

    def __call__(self, *arguments: str) -> Finished:
        code, out, err = 0, io.StringIO(), io.StringIO()
        typed = ["local_cloud", *self.arguments(*arguments)[3:]]
        with patch.object(sys, "argv", typed), redirect_stdout(out), redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Finished(code, out.getvalue(), err.getvalue())
