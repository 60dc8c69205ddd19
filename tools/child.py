"""Runs a command in the foreground: its output is shown as it comes, and it ends with us."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_END_SECONDS = 15.0


def run_in_foreground(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> int:
    """Run the command, which may ask on the terminal, and return its exit code.

    Raises:
        KeyboardInterrupt: on Ctrl-C, when the command has ended.
    """
    with subprocess.Popen(command, cwd=cwd, env=env) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.terminate()  # Ctrl-C reaches it by the terminal; a signal sent to us alone does not
            try:
                child.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
            raise
