"""Shows what an IoT policy document allows, for ``pubsub doctor --policy-file``."""

from __future__ import annotations

from collections import Counter
from typing import Any, NoReturn

import typer

from pubsub_cli.check_run import MARKS, in_words, show_line, show_wrapped
from pubsub_cli.errors import ExitCode
from pubsub_cli.finding import Status
from pubsub_cli.iam.policy_file import ExplainedPolicy
from pubsub_cli.options import RunOptions
from pubsub_cli.output import json_document


def show_explained_policy(run: RunOptions, explained: ExplainedPolicy) -> NoReturn:
    """Show the decision on each request with its reason, and the mistakes of the document.

    Raises:
        typer.Exit: always; 1 if a request is denied or its result is unknown.
    """
    counts = Counter(each.status for each in explained.requests)
    counts[Status.WARNING] += len(explained.mistakes)
    bad = counts[Status.FAILED] + counts[Status.UNKNOWN]
    code = ExitCode.CHECK_FAILED if bad else ExitCode.PASSED
    show_line(run, f"{run.stack}, for resources of {explained.arn_prefix}")
    for each in explained.requests:
        show_line(run, f"  {MARKS[each.status][0]:4}  {each.request.text}")
        show_wrapped(run, "        why  ", each.reason)
        if each.fix:
            show_wrapped(run, "        fix  ", each.fix)
    for mistake in explained.mistakes:
        show_wrapped(run, "  warn  ", mistake)
    if run.json:
        print(run.masked(json_document(run, **_members(explained, counts, code))), end="")
    show_line(run, in_words(counts))
    raise typer.Exit(code)


def _members(explained: ExplainedPolicy, counts: Counter[Status], code: ExitCode) -> dict[str, Any]:
    requests = [
        {
            "action": each.request.action,
            "resource": each.request.resource,
            "status": each.status,
            "cause": each.reason,
            "fix": each.fix,
        }
        for each in explained.requests
    ]
    summary = {status: counts[status] for status in Status} | {"exit_code": int(code)}
    return {"requests": requests, "mistakes": list(explained.mistakes), "summary": summary}
