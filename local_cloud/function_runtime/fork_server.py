"""Starts Python functions by forking a process that has imported the SDK, the longest part of a cold start.

The script's argument is the file descriptor of a Unix socket. Each message requests one process and contains five file
descriptors: a file with :class:`Request` as JSON, standard input, output and error, and a pipe for the exit code. The
answer is the process id.

Functions share only the modules imported here. A function that could notice these gets a new interpreter.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

from botocore import loaders

_MESSAGE_BYTES = 64
_FILE_DESCRIPTORS = 5
# Variables that the interpreter or the C library reads when it starts.
_READ_AT_START = ("PYTHON", "LD_", "GLIBC_", "MALLOC_", "LOCAL_CLOUD_")


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
    exit_codes: dict[int, int] = {}
    wake, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C the cloud ends its functions itself
    sources: list[Any] = [control, wake]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if wake in ready:
            os.read(wake, _MESSAGE_BYTES)
            _report_ended(exit_codes)
        if control not in ready:
            continue
        message, file_descriptors, _, _ = socket.recv_fds(control, _MESSAGE_BYTES, _FILE_DESCRIPTORS)
        if not message:
            return None
        request_file, *streams, exit_code = file_descriptors
        process_id = os.fork()
        if process_id:
            exit_codes[process_id] = exit_code
            for each in (request_file, *streams):
                os.close(each)
            control.send(str(process_id).encode())
            continue
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        control.close()
        for number, each in enumerate(streams):
            os.dup2(each, number)
        for each in (wake, wakeup, *streams, exit_code, *exit_codes.values()):
            os.close(each)
        with os.fdopen(request_file) as file:
            file.seek(0)
            request: Request = json.load(file)
        return request


def _report_ended(exit_codes: dict[int, int]) -> None:
    """Write the exit codes of ended processes to their pipes."""
    while exit_codes:
        process_id, status = os.waitpid(-1, os.WNOHANG)
        if not process_id:
            return
        pipe = exit_codes.pop(process_id)
        with suppress(BrokenPipeError):  # nothing waits for the process any more
            os.write(pipe, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(pipe)


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
