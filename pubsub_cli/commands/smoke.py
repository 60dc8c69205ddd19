"""``pubsub smoke``: sign in as a real user, connect, send, receive, and try what must be refused."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pubsub_cli.aws import Aws
from pubsub_cli.checks.options import UserSelector
from pubsub_cli.commands import options
from pubsub_cli.commands.checking import Checking, Run, check_ids, check_junit
from pubsub_cli.finding import Status


def smoke(
    stack: options.Stack = options.DEFAULT_STACK,
    environment: options.Environment = None,
    profile: options.Profile = None,
    region: options.Region = None,
    endpoint_url: options.EndpointUrl = None,
    user: Annotated[str | None, typer.Option(help="Sign in as this user where none may be made.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read that user's password from standard input.")
    ] = False,
    skip: options.Skip = None,
    json: options.Json = False,
    junit: options.Junit = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT,
    redact: options.Redact = False,
    verbose: options.Verbose = False,
) -> None:
    """Prove a deployment end to end: sign-in, attachment, connection, messages, refusals."""
    # The MQTT client takes its time to import, and no other command needs it.
    from pubsub_cli.checks.catalogue import CHECKS, REPORTED_BY_SMOKE, select_checks
    from pubsub_cli.checks.context import Context

    if (user is not None) != password_stdin:
        raise typer.BadParameter("--user and --password-stdin go together")
    if user == "":
        raise typer.BadParameter("--user: no name given")
    check_junit(junit)
    check_ids("--skip", skip or (), CHECKS)
    options.log_if(verbose)
    selector = UserSelector(user, sys.stdin.readline().rstrip("\r\n")) if user else UserSelector()
    aws = Aws(profile, region, endpoint_url)
    name = options.stack_name(stack, environment)
    checking = Checking("smoke", name, aws.region, json, junit, redact, skip or ())
    run = checking.run(
        lambda cleanup: Context(aws=aws, stack=name, timeout=timeout, cleanup=cleanup, selector=selector),
        lambda context: select_checks(context.available, REPORTED_BY_SMOKE),
    )
    checking.end(run, _last_line(run))


def _last_line(run: Run) -> str:
    if run.bad:
        first = run.bad[0].check
        return f"smoke test failed at {first.id}, {first.title}: {run.told_counts}"
    if run.not_removed:
        return f"smoke test failed: not everything it made could be removed: {run.told_counts}"
    passed = run.counts[Status.PASSED]
    if run.sign_in_to_message is None:
        return f"smoke test passed: {passed} checks, no message was sent"
    return f"smoke test passed: {passed} checks, sign-in to first message {run.sign_in_to_message:.1f} s"
