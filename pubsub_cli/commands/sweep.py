"""``pubsub sweep``: look at every identity, and attach the IoT policy where it is missing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pubsub_cli.aws import Aws
from pubsub_cli.commands import options
from pubsub_cli.commands.following import follow
from pubsub_cli.commands.told import Told, tell
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Finding, failed
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.executions import Execution, StateMachine
from pubsub_cli.operations.failure import OperationError, aws_errors_explained
from pubsub_cli.operations.sweep import Sweep
from pubsub_client.outputs import Output


def sweep(
    stack: options.Stack = options.DEFAULT_STACK,
    environment: options.Environment = None,
    profile: options.Profile = None,
    region: options.Region = None,
    endpoint_url: options.EndpointUrl = None,
    full: Annotated[
        bool, typer.Option("--full", help="Look at every identity, not only at those changed since the last sweep.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell how many lack the policy.")] = False,
    users: Annotated[
        bool,
        typer.Option(
            "--users",
            help="First have the worker attach every user of the user pool, those without an identity too. "
            "AWS bills each as an active user of the month.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume attachment after `pubsub detach --all`, then sweep as with --full.")
    ] = False,
    json: options.Json = False,
    redact: options.Redact = False,
    verbose: options.Verbose = False,
) -> None:
    """Look at every identity, and attach the IoT policy where it is missing.

    AWS Step Functions does the work: interrupted, this command stops looking, and started again it shows the sweep that
    is under way. A sweep that was stopped is gone on with where it stopped.
    """
    if dry_run and (users or resume):
        raise typer.BadParameter(f"--dry-run changes nothing, so it goes without {'--users' if users else '--resume'}")
    options.log_if(verbose)
    aws = Aws(profile, region, endpoint_url)
    name = options.stack_name(stack, environment)
    failure: Finding | None = None
    lines: list[str] = []
    swept: Sweep | None = None
    try:
        with aws_errors_explained(aws, name):
            deployment = Deployment.find(aws, name)
            if users and not deployment.attaches_at_sign_in:
                raise PreconditionError(f"--users: {name} has attachment: self-attach, so no worker to attach users")
            machine = StateMachine.of(deployment, Output.SWEEP_STATE_MACHINE_ARN)
            given = {"full": full, "dryRun": dry_run, "users": users, "resume": resume}
            execution = _sweep(machine, {key: True for key, asked in given.items() if asked}, json)
        swept = Sweep.of(execution.progress) if execution.progress else None
        lines, failure = _outcome(execution, swept, deployment.policy_name)
    except OperationError as error:
        failure = error.finding
    tell(Told(lines, {"sweep": swept and swept.as_members()}, failure), "sweep", aws, name, json=json, redact=redact)


def _sweep(machine: StateMachine, given: Mapping[str, bool], json: bool) -> Execution:
    """Start a sweep, or take the one that runs if nothing particular is asked for; show it until it has ended.

    Raises:
        PreconditionError: something particular is asked for, and another sweep runs.
    """
    execution_arn = machine.running()
    if execution_arn is None:
        execution_arn = machine.start(given)
    elif given:
        raise PreconditionError(f"a sweep runs already: {execution_arn}; `pubsub sweep` without options shows it")
    else:
        print("A sweep runs already:", file=sys.stderr if json else sys.stdout)
    return follow(machine, execution_arn, _progress, again="pubsub sweep", json=json)


def _progress(progress: Mapping[str, Any]) -> str:
    swept = Sweep.of(progress)
    queued = f"{swept.queued} users queued, " if swept.queued else ""
    what = "lack the policy" if swept.dry_run else "attached"
    refused = f", {sum(swept.failed.values())} refused" if swept.failed else ""
    return f"{queued}{swept.listed} identities listed, {swept.attached} {what}{refused}"


def _outcome(execution: Execution, swept: Sweep | None, policy: str) -> tuple[list[str], Finding | None]:
    """Return what it came to in lines, and what came out wrong."""
    again = "The next sweep goes on where this one stopped: `pubsub sweep`."
    if execution.status != "SUCCEEDED" or swept is None:
        return [], failed(
            f"The sweep came to no end {execution.end}.",
            resource=execution.arn,
            fix=f"{again} docs/operations.md#sweep-failed says what to look at.",
        )
    if swept.ended == "paused":
        return [], failed(
            "Attachment is paused since `pubsub detach --all`, so no policy was attached.",
            resource=policy,
            fix="Resume attachment and attach every identity: pubsub sweep --resume",
        )
    if swept.ended == "already-running":
        return [], failed("Another sweep had begun first.", resource=execution.arn, fix="See it: pubsub sweep")
    lines = [*_counted(swept, policy)]
    if swept.failed:
        causes = "; ".join(f"{count} x {code}" for code, count in swept.failed.items())
        return lines, failed(
            f"AWS IoT refused {sum(swept.failed.values())} identities: {causes}.",
            resource=policy,
            fix="docs/operations.md#sweep-attach-failed says what that means.",
        )
    return lines, None


def _counted(swept: Sweep, policy: str) -> list[str]:
    which = "every identity" if swept.full else "the identities changed since the last sweep"
    others = f"{swept.other_providers} of other identity providers, " if swept.other_providers else ""
    seen = (
        f"{swept.listed} identities: {swept.guests} guests, {others}{swept.unchanged} not changed since the last sweep"
    )
    found = f"{swept.attached} lacked {policy}{'' if swept.dry_run else ' and have it now'}"
    return [
        *(["It went on where the last one had stopped."] if swept.resumed else []),
        *([f"{swept.queued} users were queued for the worker."] if swept.queued else []),
        f"{seen}.",
        f"Looked at {which}: {swept.already_attached} had {policy}, {found}.",
    ]
