"""Whether somebody is there to be asked."""

from __future__ import annotations

import os
import sys

from pubsub_cli.errors import PreconditionError


def check_may_ask(*, yes: bool, otherwise: str = "give --yes") -> None:
    """Check that what would be asked is either answered beforehand or can be asked.

    Args:
        yes: it is answered beforehand.
        otherwise: what answers it.

    Raises:
        PreconditionError: there is no terminal, or ``CI`` is set, and it is not answered.
    """
    if yes or (sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI")):
        return
    raise PreconditionError(f"nobody is there to be asked (no terminal, or CI is set): {otherwise}")
