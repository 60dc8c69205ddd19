"""Runs `pubsub` commands, each in a fork of a process that has imported it: importing is half of what one costs."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.e2e.commands", "pubsub_client.cli", "pubsub_client.checks.catalogue"])
_SECONDS = 120


def run_pubsub(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command as from a shell, with this environment alone.

    Raises:
        subprocess.TimeoutExpired: it does not end.
    """
    with tempfile.TemporaryDirectory(prefix="pubsub-command-") as directory:
        files = [Path(directory) / name for name in ("stdin", "stdout", "stderr")]
        files[0].write_text(stdin)
        process = _FORKS.Process(target=_run, args=(list(arguments), dict(environment), files))
        process.start()
        process.join(_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(arguments), _SECONDS, *(each.read_text() for each in files[1:]))
        code = process.exitcode
        process.close()
        return subprocess.CompletedProcess(list(arguments), code or 0, *(each.read_text() for each in files[1:]))


def _run(arguments: list[str], environment: dict[str, str], files: list[Path]) -> None:
    """Be the command: with its standard streams, its environment, its arguments."""
    os.environ.clear()
    os.environ.update(environment)
    flags = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (file, flag) in enumerate(zip(files, flags, strict=True)):
        os.dup2(os.open(file, flag, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww")
    )
    sys.argv = ["pubsub", *arguments]
    from pubsub_client.cli import main

    main()
