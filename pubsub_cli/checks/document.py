"""The part of docs/checks.md about the checks, from the checks themselves; their tests add what they prove."""

from __future__ import annotations

import inspect

from pubsub_cli.checks.catalogue import CHECKS
from pubsub_cli.checks.check import Check, Severity
from pubsub_cli.checks.options import Requirement

_HEAD = """# The checks

What `pubsub smoke` and `pubsub doctor` ask of a deployment, by id. Ids are stable: a report, a script or a document
that names one means the same check in every version.

- A check that rests on one that did not pass is skipped, so that one cause makes one failure.
- A check that needs what a run has not, such as an ID token, is skipped too, and what rests on it is run all the same.
- What a check could not be told, because it may not be asked or AWS was asked too much, is `unknown`, which does not
  pass.
- What may take its time to act is looked at again: by `pubsub smoke` until `--timeout`, by `pubsub doctor` with
  `--wait`.
"""

_NEEDS = {
    Requirement.STACK: "a stack",
    Requirement.IDENTITY: "a user or identity",
    Requirement.USER: "a user's name",
    Requirement.TOKEN: "an ID token",
    Requirement.PASSWORD: "a password",
    Requirement.GIVEN_TOKEN: "`--id-token`",
    Requirement.CLIENT_ID: "`--client-id`",
    Requirement.PACKAGE_JSON: "`--package-json`",
    Requirement.FIGURES: "the app's figures",
}


def document() -> str:
    """Return the document: a section for each check, in the order of their ids."""
    return "\n".join([_HEAD, *(_section(check) for check in sorted(CHECKS, key=lambda each: each.id))])


def _section(check: type[Check]) -> str:
    facts = [f"{check.group}; rests on {_links(check) or 'nothing'}"]
    if needs := sorted(_NEEDS[each] for each in check.needs if each in _NEEDS):
        facts.append(f"needs {', '.join(needs)}")
    if check.needs & {Requirement.PROBE, Requirement.TRIES}:
        facts.append("`pubsub smoke` alone")
    if check.severity is Severity.WARNING:
        facts.append("warns")
    if check.retry_deadline:
        facts.append(f"looks again for up to {check.retry_deadline / 60:.0f} minutes")
    return f"## {check.id}\n\n**{check.title}** ({'; '.join(facts)})\n\n{inspect.getdoc(check)}\n"


def _links(check: type[Check]) -> str:
    return ", ".join(f"[{each.id}](#{each.id.lower()})" for each in check.depends_on)
