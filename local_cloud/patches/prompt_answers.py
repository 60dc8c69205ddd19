"""A function's answer does not wait for its log.

ministack cannot tell when a function has logged its last line: it holds back the answer of one that logs nothing for
50 ms, and looks at the clock a thousand times a second meanwhile. Here a Python function's process marks the end.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import queue
import time
import uuid
from typing import Any

from ministack.core import lambda_runtime

NEEDS = {
    lambda_runtime: ("_PYTHON_WORKER_SCRIPT",),
    lambda_runtime.Worker: ("_drain_stderr_bounded",),
}

_END = f"end of the invocation's log {uuid.uuid4()}"
_CALL = "result = handler_fn(event, context)"
_MARKED_CALL = f"""try:
                result = handler_fn(event, context)
            finally:
                print({_END!r}, file=sys.stderr, flush=True)"""
# A process that has ended marks nothing any more.
_LONGEST_SECONDS = 0.25


def install() -> None:
    """Let Python functions mark the end of their log, and read it up to there."""
    drain = lambda_runtime.Worker._drain_stderr_bounded

    def drain_stderr(self: Any, **waits: float) -> str:
        if not self.config.get("Runtime", "").startswith("python"):
            return str(drain(self, **waits))
        return _until_the_end(self._stderr_queue)

    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(_CALL, _MARKED_CALL)
    lambda_runtime.Worker._drain_stderr_bounded = drain_stderr


def _until_the_end(lines: queue.Queue[str]) -> str:
    read: list[str] = []
    deadline = time.monotonic() + _LONGEST_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            break
        if line == _END:
            break
        read.append(line)
    return "\n".join(read)
