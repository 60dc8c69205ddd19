"""Writes docs/checks.md, the checks and their scenarios: ``python -m tests.e2e.doctor.page > docs/checks.md``."""

from __future__ import annotations

from pubsub_cli.checks.document import document
from tests.e2e.doctor.scenario import FailureScenario
from tests.e2e.doctor.scenarios import NOT_TESTED, SCENARIOS

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
    return f"{document()}\n{_HEAD}{''.join(row for _, row in sorted(rows, key=lambda each: each[0]))}"


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
