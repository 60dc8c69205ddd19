"""``pubsub smoke``: sign in as a real user, connect, send, receive, and try what must be refused."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from pubsub_client.checks.aws import Aws
from pubsub_client.checks.check import Status
from pubsub_client.checks.probe_users import User
from pubsub_client.checks.runner import Result, run_checks
from pubsub_client.cli import options
from pubsub_client.cli.exit_code import ExitCode
from pubsub_client.cli.junit import as_junit
from pubsub_client.cli.report import Progress, as_json, exit_code, redacted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pubsub_client.checks.check import Check


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
    from pubsub_client.checks.smoke import SMOKE_CHECKS

    if (user is not None) != password_stdin:
        raise typer.BadParameter("--user and --password-stdin go together")
    if user == "":
        raise typer.BadParameter("--user: no name given")
    if junit is not None and not junit.parent.is_dir():
        raise typer.BadParameter(f"--junit: there is no directory {junit.parent}")
    if unknown := sorted(set(skip or ()) - {check.id for check in SMOKE_CHECKS}):
        raise typer.BadParameter(f"--skip: there is no check {', '.join(unknown)}; see docs/checks.md")
    options.log_if(verbose)
    existing = User(user, sys.stdin.readline().rstrip("\r\n")) if user else None
    aws = Aws(profile, region, endpoint_url)
    name = options.stack_name(stack, environment)
    console = Console(stderr=json, highlight=False)

    run = asyncio.run(_run(SMOKE_CHECKS, aws, name, timeout, existing, Progress(console, redact), skip or ()))

    for line in run.left_behind:
        print(f"pubsub: could not be removed: {redacted(line) if redact else line}", file=sys.stderr)
    if run.interrupted:
        print("pubsub: interrupted; what the run had made is removed", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED)
    if json:
        print(as_json("smoke", name, aws.region, run.results, redact=redact), end="")
    if junit:
        report = as_junit("smoke", name, run.results)
        junit.write_text(redacted(report) if redact else report)
    console.print(_last_line(run), soft_wrap=True)
    raise typer.Exit(ExitCode.CHECK_FAILED if run.left_behind else exit_code(run.results))


@dataclass(frozen=True)
class _Run:
    """What a run came to."""

    results: Sequence[Result]
    sign_in_to_message: float | None
    left_behind: Sequence[str]
    interrupted: bool


async def _run(
    checks: Sequence[type[Check]],
    aws: Aws,
    stack: str,
    patience: float,
    existing: User | None,
    progress: Progress,
    skip: Collection[str],
) -> _Run:
    """Run the checks; Ctrl-C and SIGTERM end them early, and what they made is removed all the same."""
    from pubsub_client.checks.context import Context

    if sys.platform != "win32":
        this_task = cast("asyncio.Task[object]", asyncio.current_task())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this_task.cancel)
    results: list[Result] = []
    interrupted = False
    try:
        async with AsyncExitStack() as cleanup:
            context = Context(aws=aws, stack=stack, timeout=patience, cleanup=cleanup, existing_user=existing)
            try:
                results = await run_checks(checks, context, progress, skip=skip)
            except asyncio.CancelledError:
                interrupted = True
    finally:
        progress.stop()
    return _Run(results, context.sign_in_to_message, context.left_behind, interrupted)


def _last_line(run: _Run) -> str:
    counts = {status: sum(each.finding.status is status for each in run.results) for status in Status}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    bad = [each for each in run.results if each.finding.status in (Status.FAILED, Status.UNKNOWN)]
    if bad:
        return f"smoke test failed at {bad[0].check.id}, {bad[0].check.title}: {told}"
    if run.left_behind:
        return f"smoke test failed: not everything it made could be removed: {told}"
    if run.sign_in_to_message is None:
        return f"smoke test passed: {counts[Status.PASSED]} checks, no message was sent"
    return f"smoke test passed: {counts[Status.PASSED]} checks, sign-in to first message {run.sign_in_to_message:.1f} s"
