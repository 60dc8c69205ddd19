"""``pubsub smoke``: sign in as a real user, connect, send, receive, and try what must be refused."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from pubsub_client.checks.aws import Aws
from pubsub_client.checks.check import Status
from pubsub_client.checks.context import Context
from pubsub_client.checks.probe_users import User
from pubsub_client.checks.runner import Result, run_checks
from pubsub_client.checks.smoke import SMOKE_CHECKS
from pubsub_client.cli import options
from pubsub_client.cli.exit_code import ExitCode
from pubsub_client.cli.report import Progress, as_json, exit_code

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    json: options.Json = False,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT,
    redact: options.Redact = False,
    verbose: options.Verbose = False,
) -> None:
    """Prove a deployment end to end: sign-in, attachment, connection, messages, refusals."""
    if (user is not None) != password_stdin:
        raise typer.BadParameter("--user and --password-stdin go together")
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    existing = User(user, sys.stdin.readline().rstrip("\n")) if user else None
    aws = Aws(profile, region, endpoint_url)
    name = options.stack_name(stack, environment)
    console = Console(stderr=json, highlight=False)
    progress = Progress(console, redact)

    try:
        results, seconds = asyncio.run(_run(aws, name, timeout, existing, progress))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("pubsub: interrupted; what this run had made is removed", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED) from None

    if json:
        print(as_json("smoke", name, aws.region, results, redact=redact))
    console.print(_last_line(results, seconds), soft_wrap=True)
    raise typer.Exit(exit_code(results))


async def _run(
    aws: Aws, stack: str, patience: float, existing: User | None, progress: Progress
) -> tuple[Sequence[Result], float | None]:
    """Run the checks; Ctrl-C and SIGTERM end them early, and what they made is removed all the same."""
    if sys.platform != "win32":
        this_task = cast("asyncio.Task[object]", asyncio.current_task())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this_task.cancel)
    try:
        async with AsyncExitStack() as cleanup:
            context = Context(aws=aws, stack=stack, timeout=patience, cleanup=cleanup, existing_user=existing)
            results = await run_checks(SMOKE_CHECKS, context, progress)
    finally:
        progress.stop()
    return results, context.sign_in_to_message


def _last_line(results: Sequence[Result], seconds: float | None) -> str:
    counts = {status: sum(each.finding.status is status for each in results) for status in Status}
    if exit_code(results) is ExitCode.PASSED:
        return f"smoke test passed: {counts[Status.PASSED]} checks, sign-in to first message {seconds:.1f} s"
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    first = next(each for each in results if each.finding.status in (Status.FAILED, Status.UNKNOWN))
    return f"smoke test failed at {first.check.id}, {first.check.title}: {told}"
