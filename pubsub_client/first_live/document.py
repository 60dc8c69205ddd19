"""Writes docs/first-live-deploy.md: ``python -m pubsub_client.first_live.document > docs/first-live-deploy.md``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pubsub_client.first_live.assumption import assumptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pubsub_client.first_live.assumption import Assumption

_HEAD = """# First live deploy

Everything here was built and tested on the embedded cloud ([local-cloud.md](local-cloud.md)). Nothing below has been
seen on a live AWS account yet. Each line is something that could only be reasoned about, and what will tell: of some
the smoke test right after the first deploy, of the rest another command, or a few hours.

## Recording it

    make deploy PROFILE=acme REGION=eu-west-1 RECORD=first-live.json     # the deploy ends with the smoke test
    pubsub smoke --timeout 600 --record first-live.json                  # or after any deploy

Each marks every assumption, in the file and on the terminal:

- `confirmed`: every check named under "the smoke test" passed, and would not have, were the assumption false.
- `refuted`: a check said what it says only if the assumption is false.
- `not tested`: anything else, with the reason, and what tells instead. `open: PS401 failed: ...` means that a check
  did not pass, and that its cause may be another.
- `rehearsed`: the embedded cloud behaves as assumed. That is no word about AWS: a run there neither confirms nor
  refutes anything.

With each goes when it was (UTC), the region, partition and stack, the toolkit's version, and the checks it rests on;
account and identity ids are masked. A later run, in another region too, adds what it tells. What was confirmed or
refuted stays with its date, and what was refuted once counts as refuted until somebody has looked into it and taken
that observation out of the file.

The file is looked at before anything is run: one that cannot be written, or is something else, is refused with exit
code 2. The smoke test's own exit code stays as it is. `--record` goes without `--user`, for what a user has already
says nothing of this deployment's sign-in.

## The assumptions

| # | assumption | basis | what tells | only with | the smoke test |
|---|---|---|---|---|---|
"""


def document() -> str:
    """Return the document: how to record, then a line for each assumption."""
    return _HEAD + "".join(_row(each) for each in assumptions())


def _row(assumption: Assumption) -> str:
    smoke = {
        "confirms": assumption.confirmed_by,
        "refutes": assumption.refuted_by,
        "tells a part": assumption.partly_by,
    }
    told = "; ".join(f"{what}: {_links(checks)}" for what, checks in smoke.items() if checks)
    cells = (
        assumption.number,
        assumption.text,
        assumption.basis,
        assumption.told_by,
        assumption.only_with or "",
        told,
    )
    return re.sub(" +", " ", f"| {' | '.join(str(cell) for cell in cells)} |\n")


def _links(checks: Iterable[str]) -> str:
    return ", ".join(f"[{each}](checks.md#{each.lower()})" for each in checks)


if __name__ == "__main__":
    print(document(), end="")
