"""``pubsub smoke``: sign in as a real user, connect, publish, receive, and try what must be rejected."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pubsub_cli import options
from pubsub_cli.check_run import CheckRun, check_ids, check_junit, finish_check_run, show_check_run, show_line
from pubsub_cli.checks.catalogue import CHECKS, REPORTED_BY_SMOKE, select_checks
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import UserSelector
from pubsub_cli.errors import ExitCode
from pubsub_cli.finding import Status
from pubsub_cli.run_options import StackOptions


def smoke(
    target: StackOptions,
    user: Annotated[str | None, typer.Option(help="Sign in as this user, if you cannot create users.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read that user's password from standard input.")
    ] = False,
    skip: options.Skip = None,
    json: options.Json = False,
    junit: options.Junit = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT,
    redact: options.Redact = False,
) -> None:
    """Test a deployment end to end: sign-in, attachment, connection, messages, rejections."""
    if (user is not None) != password_stdin:
        raise typer.BadParameter("--user and --password-stdin go together")
    if user == "":
        raise typer.BadParameter("--user: no name given")
    check_junit(junit)
    check_ids("--skip", skip or (), CHECKS)
    selector = UserSelector(user, sys.stdin.readline().rstrip("\r\n")) if user else UserSelector()
    run = target.start("smoke", json=json, junit=junit, redact=redact, skip=skip or ())
    checked = show_check_run(
        run,
        lambda cleanup: Context(aws=target.aws, stack=run.stack, timeout=timeout, cleanup=cleanup, selector=selector),
        lambda context: select_checks(context.available, REPORTED_BY_SMOKE),
    )
    if checked.exit_code is ExitCode.PASSED and len(checked.counts) > 1:
        show_line(run, checked.summary)
    finish_check_run(run, checked, _last_line(checked))


def _last_line(checked: CheckRun) -> str:
    if checked.bad:
        return f"smoke test failed at {checked.bad[0].check.id}: {checked.summary}"
    if checked.not_removed:
        return f"smoke test failed: some test resources could not be removed: {checked.summary}"
    passed = checked.counts[Status.PASSED]
    if checked.sign_in_to_message is None:
        return f"smoke test passed: {passed} checks, no message was sent"
    return f"smoke test passed: {passed} checks, sign-in to first message {checked.sign_in_to_message:.1f} s"
