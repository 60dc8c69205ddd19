"""Starts Python functions on Linux by forking ``fork_server``, a process that has imported the SDK.

ministack starts an interpreter for each function, which takes a third of a second of CPU time to import the SDK.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

FUNCTION_RUNTIME = Path(__file__).parent / "function_runtime"
"""The first directory on the path of every Python function."""

_FORK_SERVER = FUNCTION_RUNTIME / "fork_server.py"


class FunctionProcess:
    """A forked process of a function, with the interface of :class:`subprocess.Popen` that ministack uses.

    The exit code is not known: :meth:`poll` and :meth:`wait` return 0 for every process that has ended.
    """

    def __init__(self, process_id: int, file_descriptor: int, streams: tuple[IO[str], IO[str], IO[str]]) -> None:
        self.pid = process_id
        self.stdin, self.stdout, self.stderr = streams
        self._file_descriptor = file_descriptor  # of the process: pidfd_open(2)
        weakref.finalize(self, os.close, file_descriptor)

    def poll(self) -> int | None:
        """Return 0 if the process has ended, otherwise None."""
        return 0 if self._ends_within(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process and return 0.

        Raises:
            subprocess.TimeoutExpired: it has not ended after these seconds.
        """
        if not self._ends_within(timeout):
            raise subprocess.TimeoutExpired([str(_FORK_SERVER)], timeout or 0)
        return 0

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._file_descriptor, number)

    def _ends_within(self, seconds: float | None) -> bool:
        poll = select.poll()
        poll.register(self._file_descriptor, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))


class ForkServer:
    """The fork server; it starts with the first function, and again if it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self, script: str, *, cwd: str, env: Mapping[str, str]) -> FunctionProcess:
        """Start a process that runs a function's script.

        Raises:
            OSError: the fork server ends again.
        """
        request = os.memfd_create("request")  # the environment can be larger than a socket message
        os.write(request, json.dumps({"script": script, "cwd": cwd, "env": dict(env)}).encode())
        (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = (os.pipe() for _ in range(3))
        streams = (os.fdopen(to_stdin, "w", 1), os.fdopen(from_stdout), os.fdopen(from_stderr))
        theirs = (request, stdin, stdout, stderr)
        try:
            with self._lock:
                forked = self._fork(theirs) or self._fork(theirs)  # again, if it was killed
        finally:
            for each in theirs:
                os.close(each)
        if not forked:
            raise OSError("the fork server of the Python functions has ended")
        return FunctionProcess(*forked, streams)

    def end(self) -> None:
        """End the fork server and wait, so that the CPU time of its functions counts for the cloud."""
        if self._process:
            self._control.close()
            self._process.wait()
            self._process = None

    def _fork(self, file_descriptors: Sequence[int]) -> tuple[int, int] | None:
        """Return the process id and its file descriptor, or None if the fork server has ended."""
        if self._process is None:
            self._start()
        with suppress(ConnectionError):
            socket.send_fds(self._control, [b"fork"], file_descriptors)
            process_id, received, _, _ = socket.recv_fds(self._control, 64, 1)
            if process_id:
                return int(process_id), received[0]
        self.end()
        return None

    def _start(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(_FORK_SERVER), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )


fork_server = ForkServer()


def install() -> None:
    """Let ministack start Python functions with the fork server."""
    from ministack.core import lambda_runtime

    def popen(arguments: Sequence[str], *, cwd: str, env: Mapping[str, str], **options: Any) -> Any:
        if arguments[0] == sys.executable:
            return fork_server.start(arguments[1], cwd=cwd, env=env)
        return subprocess.Popen(arguments, cwd=cwd, env=env, **options)

    # On other systems a fork without exec is not safe: https://docs.python.org/3/library/os.html#os.fork
    if sys.platform == "linux":
        lambda_runtime.subprocess = SimpleNamespace(**vars(subprocess) | {"Popen": popen})
