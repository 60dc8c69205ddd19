"""``pubsub smoke``: test a deployment as a real user, including requests that must be rejected."""

from __future__ import annotations

import typer

from pubsub_cli import options
from pubsub_cli.check_run import CheckRun, check_ids, check_junit, finish_check_run, show_check_run, show_line
from pubsub_cli.checks.catalogue import CHECKS, REPORTED_BY_SMOKE, select_checks
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import UserSelector
from pubsub_cli.errors import ExitCode
from pubsub_cli.finding import Status


def smoke(
    target: options.StackOptions,
    user: options.User = None,
    password_stdin: options.PasswordStdin = False,
    only: options.Only = None,
    skip: options.Skip = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT,
    json: options.Json = False,
    junit: options.Junit = None,
    redact: options.Redact = False,
) -> None:
    """Test a deployment end to end, from sign-in to first message.

    The test creates temporary users and removes them afterwards. If you cannot create users, give --user and
    --password-stdin; checks that need other users are then skipped.

    Examples:
      pubsub smoke --timeout 600
      pubsub smoke --user ada --password-stdin --json --junit results.xml
    """
    options.check_user(user)
    if (user is not None) != password_stdin:
        raise typer.BadParameter("--user and --password-stdin go together")
    check_junit(junit)
    check_ids("--skip", skip or (), CHECKS)
    check_ids("--only", only or (), CHECKS)
    selector = UserSelector(user, options.read_password()) if user else UserSelector()
    run = target.start("smoke", json=json, junit=junit, redact=redact, skip=skip or ())
    checked = show_check_run(
        run,
        lambda cleanup: Context(aws=target.aws, stack=run.stack, timeout=timeout, cleanup=cleanup, selector=selector),
        lambda context: select_checks(context.available, REPORTED_BY_SMOKE, only or ()),
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
