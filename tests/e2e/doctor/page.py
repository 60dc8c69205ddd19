"""Write the page of the checks and their scenarios.

Run ``python -m tests.e2e.doctor.page > docs/reference/checks.md``.
"""

from __future__ import annotations

import inspect

from pubsub_cli.checks.catalogue import CHECKS
from pubsub_cli.checks.check import Check, Severity
from pubsub_cli.checks.options import Requirement
from tests.e2e.doctor.scenario import FailureScenario
from tests.e2e.doctor.scenarios import NOT_TESTED, SCENARIOS

_CHECKS = """# The checks

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

_HEAD = """## Root causes

People reported these root causes for signed-in users who could not publish. For each, a test breaks a healthy
deployment on the local cloud with AWS's own APIs, or does what the app does. `pubsub doctor` must then report the check
in the table and nothing else. The test runs the printed fix unchanged. The check must then pass, and the user's
message must arrive.

| # | what is wrong | how the test breaks it | what the user sees | reported by | printed fix |
|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the document: the checks, then the table of root causes."""
    rows = [(scenario.cause, _row(scenario)) for scenario in SCENARIOS]
    rows += [
        (cause, _line(cause, title, f"not tested: {why}", "", "", "")) for cause, (title, why) in NOT_TESTED.items()
    ]
    return f"{_document()}\n{_HEAD}{''.join(row for _, row in sorted(rows, key=lambda each: each[0]))}"


def _document() -> str:
    """Return a section for each check, in the order of their ids."""
    return "\n".join([_CHECKS, *(_section(check) for check in sorted(CHECKS, key=lambda each: each.id))])


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


def _row(scenario: FailureScenario) -> str:
    fix = scenario.fix
    if isinstance(fix, tuple):
        fix = ", ".join(f"`{each}`" for each in dict.fromkeys(fix))
    check = f"[{scenario.check}](#{scenario.check.lower()})" + (", a warning" if scenario.status == "warning" else "")
    return _line(scenario.cause, scenario.title, scenario.broken_by, scenario.symptom or "", check, fix)


def _line(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |\n".replace("  ", " ")


if __name__ == "__main__":
    print(page(), end="")
