"""Write the page of the checks and their root causes.

Run ``python -m tests.e2e.doctor.page > docs/reference/checks.md``.
"""

from __future__ import annotations

import inspect

from pubsub_cli.checks.catalogue import CHECKS
from pubsub_cli.checks.check import Check, Severity
from pubsub_cli.checks.options import Requirement
from tests.e2e.doctor.scenarios import NOT_TESTED, SCENARIOS

_CHECKS = """# The checks

`pubsub smoke` and `pubsub doctor` run these checks. An id means the same check in every version.

- If a check fails, the checks that depend on it are skipped. `pubsub explain PS203` lists what a check depends on.
- If a run lacks what a check needs, such as a stack or an ID token, only that check is skipped.
- If AWS denies or throttles a call, the check is `unknown`. That does not count as passed.
- Some changes take minutes to act. `pubsub smoke` retries until `--timeout` (default: 300 s), `pubsub doctor` only with
  `--wait` or `--timeout`.
- *Trigger*: not with `attachment: self-attach`. *Smoke*: only `pubsub smoke` runs the check. *Warning*: a failure is a
  warning.
"""

_REQUIREMENTS = {
    Requirement.IDENTITY: "a user or identity",
    Requirement.USER: "a user's name",
    Requirement.TOKEN: "an ID token",
    Requirement.PASSWORD: "a password",
    Requirement.GIVEN_TOKEN: "`--id-token`",
    Requirement.CLIENT_ID: "`--client-id`",
    Requirement.PACKAGE_JSON: "`--package-json`",
    Requirement.LIMITS: "`--keep-alive`, `--payload-bytes` or `--subscriptions`",
}

_ROOT_CAUSES = """
## Root causes

People reported 31 [causes](../how-to/troubleshoot.md) for signed-in users who could not publish. For all but one, a
test breaks a healthy deployment on the local cloud. `pubsub doctor` must report exactly the check of the cause, and the
printed fix must work. The checks by symptom:

"""
_NO_SYMPTOM = "other causes"


def page() -> str:
    """Return the document: the checks by id, then those that report root causes, by what the user sees."""
    sections = [_CHECKS, *(_section(check) for check in sorted(CHECKS, key=lambda each: each.id))]
    reported: dict[str, set[str]] = {}
    for scenario in SCENARIOS:
        reported.setdefault(scenario.symptom or _NO_SYMPTOM, set()).add(scenario.check)
    lines = [
        f"- {symptom}: {', '.join(map(_link, sorted(reported[symptom])))}\n"
        for symptom in sorted(reported, key=lambda each: each == _NO_SYMPTOM)
    ]
    lines += [f"- not tested: {title}, because {why}\n" for title, why in NOT_TESTED.values()]
    return "\n".join(sections) + _ROOT_CAUSES + "".join(lines)


def _section(check: type[Check]) -> str:
    facts = [str(check.group)]
    if needs := sorted(_REQUIREMENTS[each] for each in check.requirements if each in _REQUIREMENTS):
        facts.append(f"needs {', '.join(needs)}")
    if check.requirements & {Requirement.TEST_USERS, Requirement.PROBES}:
        facts.append("smoke")
    if check.requires_trigger:
        facts.append("trigger")
    if check.severity is Severity.WARNING:
        facts.append("warning")
    if check.retries:
        facts.append("retries until `--timeout`")
    return f"## {check.id}\n\n**{check.title}** ({'; '.join(facts)})\n\n{inspect.getdoc(check)}\n"


def _link(check_id: str) -> str:
    return f"[{check_id}](#{check_id.lower()})"


if __name__ == "__main__":
    print(page(), end="")
