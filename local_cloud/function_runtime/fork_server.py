"""Starts Python functions by forking a process that has imported the SDK, the longest part of a cold start.

The script's argument is the file descriptor of a Unix socket. Each message requests one process and contains four file
descriptors: a file with :class:`Request` as JSON, and standard input, output and error. The answer is the process id
with a file descriptor of the process.

Functions share only the modules imported here. A function that could notice these gets a new interpreter.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import runpy
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from botocore import loaders

_MESSAGE_BYTES = 64
_FILE_DESCRIPTORS = 4
# Variables that the interpreter or the C library reads when it starts.
_READ_AT_START = ("PYTHON", "LD_", "GLIBC_", "MALLOC_")


class Request(TypedDict):
    """The script of a process, the directory of the function's code, and the whole environment."""

    script: str
    cwd: str
    env: dict[str, str]


def main() -> None:
    """Fork until the socket is closed; run the script in each fork."""
    sys.path.remove(str(Path(__file__).parent))  # once: it is on PYTHONPATH too
    _import_sdk()
    gc.freeze()
    request = _fork_on_request(socket.socket(fileno=int(sys.argv[1])))
    if request:
        _run(request)


def _import_sdk() -> None:
    """Import the modules that a client imports, and read the data that every client reads."""
    loaders.create_loader = functools.cache(loaders.create_loader)  # a loader caches its data
    import boto3

    boto3.Session("none", "none", region_name="us-east-1").client("sts")


def _fork_on_request(control: socket.socket) -> Request | None:
    """Return the request in each forked process, and None in this process at the end."""
    signal.signal(signal.SIGCHLD, _reap)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C the cloud ends its functions itself
    while True:
        message, file_descriptors, _, _ = socket.recv_fds(control, _MESSAGE_BYTES, _FILE_DESCRIPTORS)
        if not message:
            return None
        # A process that is reaped at once has no file descriptor.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        process_id = os.fork()
        if process_id:
            own = os.pidfd_open(process_id)
            socket.send_fds(control, [str(process_id).encode()], [own])
            for each in (own, *file_descriptors):
                os.close(each)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        control.close()
        request_file, *streams = file_descriptors
        for number, each in enumerate(streams):
            os.dup2(each, number)
            os.close(each)
        with os.fdopen(request_file) as file:
            file.seek(0)
            request: Request = json.load(file)
        return request


def _reap(*_: object) -> None:
    """Wait for all processes that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _run(request: Request) -> None:
    """Run the script in this process, or in a new interpreter."""
    script, env = request["script"], request["env"]
    os.chdir(request["cwd"])
    if _needs_new_interpreter(request):
        os.execve(sys.executable, [sys.executable, script], env)  # noqa: S606
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.argv = [script]
    sys.path.insert(0, str(Path(script).parent))
    runpy.run_path(script, run_name="__main__")


def _needs_new_interpreter(request: Request) -> bool:
    """Return whether the function would notice what this process has already read or imported."""
    env = request["env"]
    changed = (name for name in env.keys() | os.environ.keys() if env.get(name) != os.environ.get(name))
    own_modules = (entry.name.partition(".")[0] for entry in Path(request["cwd"]).iterdir())
    return (
        "_LAMBDA_LAYERS_DIRS" in env
        or any(name.startswith(_READ_AT_START) for name in changed)
        or any(name in sys.modules for name in own_modules)
    )


if __name__ == "__main__":
    main()
