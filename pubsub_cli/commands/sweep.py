"""``pubsub sweep``: check every identity, and attach the IoT policy where it is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from pubsub_cli import options
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import OperationError, failed
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.executions import Execution, StateMachine, Sweep
from pubsub_cli.output import CommandResult, emit
from pubsub_cli.progress import follow_execution
from pubsub_cli.terminal import check_can_confirm, confirm
from pubsub_client.outputs import Output

_COSTS = (
    "This signs in every user of the user pool, and AWS bills each of them as a monthly active user.\nAttach all users?"
)


def sweep(
    target: options.StackOptions,
    full: Annotated[
        bool,
        typer.Option("--full", help="Check every identity, not only those that changed since the last sweep."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the identities without the policy.")] = False,
    users: Annotated[
        bool,
        typer.Option(
            "--users",
            help="Attach every user of the user pool first, also those without an identity. "
            "AWS bills each of them as a monthly active user.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume attachment after `pubsub detach --all`, then sweep with --full.")
    ] = False,
    yes: options.Yes = False,
    json: options.Json = False,
    redact: options.Redact = False,
) -> None:
    """Check every identity, and attach missing IoT policies.

    AWS Step Functions runs the sweep. If you interrupt this command, the sweep continues. Run the command again to see
    its progress. The next sweep continues a stopped one.

    Only --users asks for confirmation, because it costs money.

    Examples:
      pubsub sweep --dry-run
      pubsub sweep --full
    """
    if dry_run and (users or resume):
        raise typer.BadParameter(f"--dry-run cannot be combined with {'--users' if users else '--resume'}")
    if yes and not users:
        raise typer.BadParameter("--yes goes with --users")
    if users:
        check_can_confirm(yes=yes)
    run, aws = target.start("sweep", json=json, redact=redact), target.aws
    switches = {"full": full, "dryRun": dry_run, "users": users, "resume": resume}
    try:
        with aws_errors_explained(aws, run.stack):
            deployment = Deployment.find(aws, run.stack)
            if users and not deployment.attaches_at_sign_in:
                raise PreconditionError(f"--users: {run.stack} uses self-attach, so no trigger can attach users")
            if users and not yes and not confirm(_COSTS, sys.stderr if json else sys.stdout):
                raise PreconditionError("no sweep was started")
            machine = StateMachine.of(deployment, Output.SWEEP_STATE_MACHINE_ARN)
            execution_arn = _start(machine, {name: True for name, given in switches.items() if given}, json)
            execution = follow_execution(machine, execution_arn, _progress, rerun="pubsub sweep", json=json)
        result = _result(execution, deployment.policy_name)
    except OperationError as error:
        result = CommandResult((), {"sweep": None}, error.finding)
    emit(result, run)


def _start(machine: StateMachine, switches: Mapping[str, bool], json: bool) -> str:
    """Start a sweep, or return the running one if no options are given.

    Raises:
        PreconditionError: options are given, and another sweep runs.
    """
    execution_arn = machine.running()
    if execution_arn is None:
        return machine.start(switches)
    if switches:
        raise PreconditionError(
            f"a sweep is already running: {execution_arn}; to see its progress: pubsub sweep without other options"
        )
    print("A sweep is already running:", file=sys.stderr if json else sys.stdout)
    return execution_arn


def _progress(progress: Mapping[str, Any]) -> str:
    swept = Sweep.of(progress)
    queued = f"{swept.queued} users queued, " if swept.queued else ""
    what = "lack the policy" if swept.dry_run else "attached"
    failed_count = f", {sum(swept.failed.values())} failed" if swept.failed else ""
    return f"{queued}{swept.listed} identities listed, {swept.attached} {what}{failed_count}"


def _result(execution: Execution, policy: str) -> CommandResult:
    swept = Sweep.of(execution.progress) if execution.progress else None
    members = {"sweep": swept and swept.as_members()}
    if execution.status != "SUCCEEDED" or swept is None:
        failure = failed(
            f"The sweep did not finish {execution.end}.",
            resource=execution.arn,
            fix="To continue where it stopped: pubsub sweep. The runbook is in the repository: "
            "docs/how-to/operate.md#sweep-failed",
        )
        return CommandResult((), members, failure)
    if swept.ended == "paused":
        failure = failed(
            "Attachment is paused by `pubsub detach --all`, so no policy was attached.",
            resource=policy,
            fix="To resume attachment and attach all identities: pubsub sweep --resume",
        )
        return CommandResult((), members, failure)
    if swept.ended == "already-running":
        failure = failed(
            "Another sweep started first.", resource=execution.arn, fix="To see its progress: pubsub sweep"
        )
        return CommandResult((), members, failure)
    if swept.failed:
        causes = "; ".join(f"{count} x {code}" for code, count in swept.failed.items())
        failure = failed(
            f"AWS IoT rejected the attachment of {sum(swept.failed.values())} identities: {causes}.",
            resource=policy,
            fix="The runbook is in the repository: docs/how-to/operate.md#sweep-attach-failed",
        )
        return CommandResult([*_lines(swept, policy)], members, failure)
    return CommandResult([*_lines(swept, policy)], members)


def _lines(swept: Sweep, policy: str) -> Iterator[str]:
    if swept.resumed:
        yield "The sweep continued where the last one stopped."
    if swept.queued:
        yield f"{swept.queued} users were queued for attachment."
    others = f"{swept.other_providers} from other identity providers, " if swept.other_providers else ""
    noun = "identity" if swept.listed == 1 else "identities"
    counts = f"{swept.guests} guests, {others}{swept.unchanged} unchanged since the last sweep"
    yield f"{swept.listed} {noun}: {counts}."
    which = "every identity" if swept.full else "the identities changed since the last sweep"
    attached = "" if swept.dry_run else " and got it"
    yield f"Checked {which}: {swept.already_attached} had {policy}, {swept.attached} did not{attached}."
