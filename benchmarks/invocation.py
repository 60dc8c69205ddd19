"""A trigger in a fresh process of its own: how long it takes from nothing, and where its time goes.

Run as a script with the trigger's code on ``PYTHONPATH`` and its environment variables set: it imports the SDK or this
package only after the trigger had the chance not to.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any


def main() -> None:
    """Read what to do from standard input as JSON; the last line of standard output is the measurement as JSON.

    ``{"event": ...}``: seconds to import the module and handle the event.
    ``{"events": [...]}``: for each event but the first, which warms up, seconds in all and by AWS call.
    """
    task = json.load(sys.stdin)
    print(json.dumps(_from_nothing(task["event"]) if "event" in task else _by_call(task["events"])))


def _from_nothing(event: dict[str, Any]) -> float:
    begun = time.perf_counter()
    importlib.import_module("post_authentication").handler(event, None)
    return time.perf_counter() - begun


def _by_call(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import boto3

    seconds: dict[str, float] = {}

    def before(context: dict[str, Any], **_: Any) -> None:
        context["begun"] = time.perf_counter()

    def after(context: dict[str, Any], model: Any, **_: Any) -> None:
        seconds[model.name] = time.perf_counter() - context["begun"]

    boto3.setup_default_session()
    hooks = boto3.DEFAULT_SESSION.events  # type: ignore[union-attr]  # what every client made from here on has
    hooks.register("before-call", before)
    hooks.register("after-call", after)

    handler = importlib.import_module("post_authentication").handler
    measured = []
    for event in events:
        seconds.clear()
        begun = time.perf_counter()
        handler(event, None)
        measured.append({"total": time.perf_counter() - begun, "calls": dict(seconds)})
    return measured[1:]


if __name__ == "__main__":
    main()
