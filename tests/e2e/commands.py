"""Runs `pubsub` and `aws` as a shell would, without starting a process for each command.

Most of the time of a command is the start of Python and the imports. Tests of signals, terminals, pipes and concurrent
commands start processes instead.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from pubsub_cli.app import main
from tests.e2e.aws_cli import run_aws

_LOCK = threading.Lock()
_MANY_FILES = 200
# With the variable `beside` a command runs in its own process.
_FUNCTIONS = """
run_in_test() {{
    if [ "${{beside-}}" ]; then command "$@"; return; fi
    local connection input= code files
    case " $* " in *" --password-stdin "*) input=$(cat) ;; esac
    exec {{connection}}<>/dev/tcp/127.0.0.1/{port}
    {{ printf '%s\\0' "$input" "$PWD" "$#" "$@"; env -0; printf '\\0'; }} >&"$connection"
    read -r code files <&"$connection"
    cat "$files/stdout"
    cat "$files/stderr" >&2
    exec {{connection}}>&-
    return "$code"
}}
pubsub() {{ run_in_test pubsub "$@"; }}
aws() {{ run_in_test aws "$@"; }}
"""


def run_pubsub(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    stdin: str = "",
    directory: str = ".",
    program: Callable[[], None] = main,
) -> subprocess.CompletedProcess[str]:
    """Run `pubsub` or another program in this process, with only these environment variables, one at a time."""
    with ExitStack() as stack:
        stack.enter_context(_LOCK)
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
        # Reference cycles keep the connections of ended commands open, and paho cannot use file descriptors above 1023.
        if len(list(Path("/dev/fd").iterdir())) > _MANY_FILES:
            gc.collect()
        for each in streams.values():
            each.seek(0)
        return subprocess.CompletedProcess(list(arguments), code, streams["stdout"].read(), streams["stderr"].read())


def _exit_code(program: Callable[[], None]) -> int:
    """Run `sys.argv` and return the exit code that the process would have."""
    try:
        program()
    except SystemExit as end:
        return int(end.code or 0)
    except Exception:  # noqa: BLE001 - as Python prints it
        traceback.print_exc()
        return 1
    return 0


@contextmanager
def programs() -> Iterator[str]:
    """Yield shell functions `pubsub` and `aws` that let this process run the commands during the block."""
    with socketserver.TCPServer(("127.0.0.1", 0), _Command) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield _FUNCTIONS.format(port=server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


class _Command(socketserver.StreamRequestHandler):
    """Runs one command of a shell with its input, directory, arguments and environment."""

    def handle(self) -> None:
        stdin, directory = self._read(), self._read()
        program, *arguments = [self._read() for _ in range(int(self._read()))]
        environment = dict(each.split("=", 1) for each in iter(self._read, ""))
        if program == "aws":
            done = run_aws(arguments, environment)
        else:
            done = run_pubsub(arguments, environment, stdin, directory)
        with tempfile.TemporaryDirectory() as files:
            (Path(files) / "stdout").write_text(done.stdout)
            (Path(files) / "stderr").write_text(done.stderr)
            self.wfile.write(f"{done.returncode} {files}\n".encode())
            self.rfile.read()  # until the shell has read them and closes the connection

    def _read(self) -> str:
        """Return the next word, which ends with NUL."""
        word = bytearray()
        while (byte := self.rfile.read(1)) != b"\0":
            assert byte
            word += byte
        return word.decode()
