"""Runs `pubsub` in the test process: starting Python and importing modules is most of what a command costs."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, chdir
from typing import Any
from unittest import mock

from pubsub_cli.app import main

_ONE_AT_A_TIME = threading.Lock()


def run_pubsub(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    stdin: str = "",
    directory: str = ".",
    program: Callable[[], None] = main,
) -> subprocess.CompletedProcess[str]:
    """Run `pubsub` or another program as a shell would in a directory, with only these environment variables.

    Commands run one at a time, also from several threads. A test of signals, terminals, pipes or simultaneous commands
    starts processes instead.
    """
    with ExitStack() as stack:
        stack.enter_context(_ONE_AT_A_TIME)
        streams: dict[str, Any] = {
            name: stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            for name in ("stdin", "stdout", "stderr")
        }
        streams["stdin"].write(stdin)
        streams["stdin"].seek(0)
        with ExitStack() as replaced:
            if threading.current_thread() is threading.main_thread():
                for number in (signal.SIGINT, signal.SIGTERM):
                    replaced.callback(signal.signal, number, signal.getsignal(number))
            replaced.callback(logging.root.setLevel, logging.root.level)
            logging.root.setLevel(logging.WARNING)
            replaced.enter_context(mock.patch.object(logging.root, "handlers", []))
            replaced.enter_context(mock.patch.dict(os.environ, dict(environment), clear=True))
            replaced.enter_context(chdir(directory))
            replaced.enter_context(mock.patch.multiple(sys, argv=["pubsub", *arguments], **streams))
            code = _exit_code(program)
        for each in streams.values():
            each.seek(0)
        return subprocess.CompletedProcess(list(arguments), code, streams["stdout"].read(), streams["stderr"].read())


def _exit_code(program: Callable[[], None]) -> int:
    """Run `sys.argv` and return what would be the exit code of the process."""
    try:
        program()
    except SystemExit as end:
        return int(end.code or 0)
    except Exception:  # noqa: BLE001 - Python itself would print it
        traceback.print_exc()
        return 1
    return 0
