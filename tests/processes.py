"""Processes that a test starts."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import AnyStr

_PROMPTS = ("[y/N] ", "(y/n)", "to destroy it: ")


@contextmanager
def ended(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """Wait for a process at the end of the block; kill it if the block fails."""
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def run_on_a_terminal(
    command: Sequence[str | Path], environment: Mapping[str, str], answer: str | signal.Signals, cwd: Path | None = None
) -> tuple[int, str]:
    """Run a command on a terminal, answer or signal at its prompt, and return exit code and output."""
    ours, theirs = pty.openpty()
    # Without a width the CDK CLI prints its progress with one character a line.
    termios.tcsetwinsize(theirs, (24, 80))
    with ended(
        subprocess.Popen(command, cwd=cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    ) as running:
        os.close(theirs)
        shown = ""
        is_answered = False
        try:
            while data := os.read(ours, 4096):
                shown += data.decode(errors="replace")
                if not is_answered and any(prompt in shown for prompt in _PROMPTS):
                    is_answered = True
                    if isinstance(answer, signal.Signals):
                        running.send_signal(answer)
                    # If the signal arrives before the command reads, it takes effect with the answer.
                    os.write(ours, (answer if isinstance(answer, str) else "\n").encode())
        except OSError:  # the command has closed its end
            pass
        code = running.wait(timeout=60)
    os.close(ours)
    return code, shown.replace("\r", "")
