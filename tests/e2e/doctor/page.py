"""Writes docs/checks.md, the checks and what they name: ``python -m tests.e2e.doctor.page > docs/checks.md``."""

from __future__ import annotations

from pubsub_cli.checks.document import document
from tests.e2e.doctor.cause import Cause
from tests.e2e.doctor.causes import CAUSES, NOT_MADE

_HEAD = """## What people met

These are the causes, as people report them, for which signed-in users could not publish. A test makes each of them on
a healthy deployment on the local cloud, with AWS's own APIs or by what the app does. Then `pubsub doctor` must
name the check in the table, and the fix that it prints, run word for word or done as it says, must let the check pass
and the user through. For the first cause of each number the doctor runs all its checks, and each other one must pass
or be skipped because of the cause. For the others it runs the named check and those that it depends on.

| # | what is wrong | how the test makes it | what the user sees | named by | the fix printed |
|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the document: the checks, then the table of causes."""
    rows = [(cause.number, _row(cause)) for cause in CAUSES]
    rows += [(number, _not_made(number, *told)) for number, told in NOT_MADE.items()]
    return f"{document()}\n{_HEAD}{''.join(row for _, row in sorted(rows, key=lambda each: each[0]))}"


def _row(cause: Cause) -> str:
    fix = cause.fix if isinstance(cause.fix, str) else ", ".join(f"`{each}`" for each in dict.fromkeys(cause.fix))
    named_by = f"[{cause.check}](#{cause.check.lower()})" + (", a warning" if cause.status == "warning" else "")
    return _line(cause.number, cause.name, cause.made, cause.symptom or "", named_by, fix)


def _not_made(number: int, name: str, why: str) -> str:
    return _line(number, name, f"not made: {why}", "", "", "")


def _line(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |\n".replace("  ", " ")


if __name__ == "__main__":
    print(page(), end="")
