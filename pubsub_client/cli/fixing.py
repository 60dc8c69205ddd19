"""Runs the fixes that are safe, each after asking."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pubsub_client.checks.aws_errors import AWS_ERRORS
from pubsub_client.checks.check import CommandFailedError, Status

if TYPE_CHECKING:
    from pubsub_client.checks.aws import Aws
    from pubsub_client.checks.check import Command
    from pubsub_client.cli.checking import Checking, Run


def fix_what_is_safe(run: Run, aws: Aws, checking: Checking, *, ask: bool) -> bool:
    """Run the commands that mend what is wrong, where all of a fix is safe.

    Args:
        run: what was found.
        aws: the way to AWS.
        checking: the command that has found it, which tells.
        ask: ask before each.

    Returns:
        Whether anything was done.
    """
    done = False
    for result in run.results:
        finding = result.finding
        if finding.status not in (Status.FAILED, Status.WARNING):
            continue
        if not finding.safe_commands:
            _tell(checking, f"  {result.check.id}  is left to you: its fix is not of the safe kind")
            continue
        for command in finding.safe_commands:
            done |= _fix(result.check.id, command, aws, checking, ask=ask)
    return done


def _fix(check_id: str, command: Command, aws: Aws, checking: Checking, *, ask: bool) -> bool:
    _tell(checking, f"  {check_id}  {command}{aws.cli_options}")
    if ask:
        print("         run it? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            return False
    try:
        command.run(aws)
    except (*AWS_ERRORS, CommandFailedError) as error:
        _tell(checking, f"         it failed: {error}")
        return False
    _tell(checking, "         done")
    return True


def _tell(checking: Checking, line: str) -> None:
    checking.console.print(checking.shown(line), soft_wrap=True, markup=False)
