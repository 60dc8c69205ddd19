"""A sweep's handler in a fresh process of its own: how much memory it takes.

Run as a script with ``lambdas/`` on ``PYTHONPATH`` and the function's environment variables set. The last line of
standard output is the peak memory in KiB. https://docs.python.org/3/library/resource.html
"""

from __future__ import annotations

import importlib
import resource
import sys
from typing import Any

_STEP_MILLISECONDS = 900_000


class _Context:
    aws_request_id = "bench"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return _STEP_MILLISECONDS


def main() -> None:
    """Make the steps of a full sweep, as the state machine of this ARN would have them made."""
    handler = importlib.import_module("sweep").handler
    machine = sys.argv[1]
    state: dict[str, Any] = {"full": True}
    while state.get("next") != "done":
        state = handler({"state": state, "execution": f"{machine}:none", "machine": machine}, _Context)
        if state["next"] not in {"continue", "done"}:
            raise SystemExit(f"the sweep says {state['next']}")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
