"""Writes docs/checks.md from the checks themselves: ``python -m pubsub_client.checks.document > docs/checks.md``."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from pubsub_client.checks.catalogue import CHECKS

if TYPE_CHECKING:
    from pubsub_client.checks.check import Check

_HEAD = """# The checks

What `pubsub smoke` asks of a deployment, by id. Ids are stable: a report, a script or a document that names one means
the same check in every version. A check that rests on one that did not pass is skipped. What a check could not be told
for want of a permission is `unknown`, which does not pass either.
"""


def document() -> str:
    """Return the document: a section for each check, in the order of their ids."""
    return "\n".join([_HEAD, *(_section(check) for check in sorted(CHECKS, key=lambda each: each.id))])


def _section(check: type[Check]) -> str:
    rests_on = ", ".join(f"[{each.id}](#{each.id.lower()})" for each in check.rests_on) or "nothing"
    return f"## {check.id}\n\n**{check.title}** ({check.group}; rests on {rests_on})\n\n{inspect.getdoc(check)}\n"


if __name__ == "__main__":
    print(document(), end="")
