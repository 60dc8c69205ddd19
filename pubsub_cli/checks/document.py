"""Generates the part of docs/checks.md that describes the checks; the e2e tests add their failure scenarios."""

from __future__ import annotations

import inspect

from pubsub_cli.checks.catalogue import CHECKS
from pubsub_cli.checks.check import Check, Severity
from pubsub_cli.checks.options import Requirement

_HEAD = """# The checks

The checks of `pubsub smoke` and `pubsub doctor`, by id. Ids are stable: an id means the same check in every version.

- If a check does not pass, the checks that depend on it are skipped. So one cause makes one failure.
- If a run lacks what a check needs, such as an ID token, the check is skipped. Checks that depend on it still run.
- If a call is not permitted or throttled, the check is `unknown`. That does not count as passed.
- Some changes take minutes to act. `pubsub smoke` retries until `--timeout`, `pubsub doctor` retries with `--wait`.
"""

_REQUIREMENTS = {
    Requirement.STACK: "a stack",
    Requirement.IDENTITY: "a user or identity",
    Requirement.USER: "a user's name",
    Requirement.TOKEN: "an ID token",
    Requirement.PASSWORD: "a password",
    Requirement.GIVEN_TOKEN: "`--id-token`",
    Requirement.CLIENT_ID: "`--client-id`",
    Requirement.PACKAGE_JSON: "`--package-json`",
    Requirement.LIMITS: "one of `--keep-alive`, `--payload-bytes`, `--subscriptions`",
}


def document() -> str:
    """Return the document: a section for each check, in the order of their ids."""
    return "\n".join([_HEAD, *(_section(check) for check in sorted(CHECKS, key=lambda each: each.id))])


def _section(check: type[Check]) -> str:
    facts = [f"{check.group}; depends on {_links(check) or 'nothing'}"]
    if needs := sorted(_REQUIREMENTS[each] for each in check.requirements if each in _REQUIREMENTS):
        facts.append(f"needs {', '.join(needs)}")
    if check.requirements & {Requirement.TEST_USERS, Requirement.PROBES}:
        facts.append("only `pubsub smoke`")
    if check.severity is Severity.WARNING:
        facts.append("warning")
    if check.retry_seconds:
        facts.append(f"retries for up to {check.retry_seconds / 60:.0f} minutes")
    return f"## {check.id}\n\n**{check.title}** ({'; '.join(facts)})\n\n{inspect.getdoc(check)}\n"


def _links(check: type[Check]) -> str:
    return ", ".join(f"[{each.id}](#{each.id.lower()})" for each in check.depends_on)
