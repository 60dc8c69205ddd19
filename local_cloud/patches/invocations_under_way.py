"""An invocation under way ends in the environment it began in, also when its function is updated or deleted meanwhile.

ministack kills the environments of a function that changes, those at work too, and such an invocation fails.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html (shutdown phase)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

NEEDS = {
    lambda_runtime: ("invalidate_worker", "kill_workers"),
    lambda_runtime.Worker: ("invoke",),
    lambda_svc: ("invalidate_worker", "release_worker"),
}

_LOOK_EVERY_SECONDS = 0.05
# What a function may take to start, besides its own timeout.
_INIT_SECONDS = 10


def install() -> None:
    """Let environments at work finish before they are killed, where it is an update that ends them."""
    invalidate, kill = lambda_runtime.invalidate_worker, lambda_runtime.kill_workers
    here = threading.local()

    def invalidate_worker(*arguments: Any, **options: Any) -> None:
        here.invalidates = True
        try:
            invalidate(*arguments, **options)
        finally:
            here.invalidates = False

    def kill_workers(workers: Sequence[Any]) -> None:
        at_work = [each for each in workers if each.in_use] if getattr(here, "invalidates", False) else []
        for worker in at_work:
            threading.Thread(target=_kill_when_done, args=(worker, kill), daemon=True).start()
        kill([each for each in workers if each not in at_work])

    lambda_runtime.kill_workers = kill_workers
    lambda_svc.invalidate_worker = invalidate_worker


def _kill_when_done(worker: Any, kill: Callable[[Sequence[Any]], None]) -> None:
    """Wait for the invocation, no longer than one can take: ministack never releases a worker that has failed."""
    deadline = time.monotonic() + _INIT_SECONDS + float(worker.config.get("Timeout", 3))
    while worker.in_use and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_SECONDS)
    kill([worker])
