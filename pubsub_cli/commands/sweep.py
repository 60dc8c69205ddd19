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
from pubsub_cli.run_options import StackOptions
from pubsub_client.outputs import Output


def sweep(
    target: StackOptions,
    full: Annotated[
        bool, typer.Option("--full", help="Check every identity, not only those changed since the last sweep.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the identities that lack the policy.")] = False,
    users: Annotated[
        bool,
        typer.Option(
            "--users",
            help="First attach every user of the user pool, including those without an identity. "
            "AWS bills each of them as a monthly active user.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume attachment after `pubsub detach --all`, then sweep as with --full.")
    ] = False,
    json: options.Json = False,
    redact: options.Redact = False,
) -> None:
    """Check every identity, and attach the IoT policy where it is missing.

    AWS Step Functions runs the sweep. If you interrupt this command, the sweep continues; run the command again to see
    its progress. A stopped sweep is resumed where it stopped.
    """
    if dry_run and (users or resume):
        raise typer.BadParameter(f"--dry-run cannot be combined with {'--users' if users else '--resume'}")
    run, aws = target.start("sweep", json=json, redact=redact), target.aws
    switches = {"full": full, "dryRun": dry_run, "users": users, "resume": resume}
    try:
        with aws_errors_explained(aws, run.stack):
            deployment = Deployment.find(aws, run.stack)
            if users and not deployment.attaches_at_sign_in:
                raise PreconditionError(
                    f"--users: {run.stack} has attachment: self-attach, so no trigger to attach users"
                )
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
        raise PreconditionError(f"a sweep runs already: {execution_arn}; `pubsub sweep` without options shows it")
    print("A sweep runs already:", file=sys.stderr if json else sys.stdout)
    return execution_arn


def _progress(progress: Mapping[str, Any]) -> str:
    swept = Sweep.of(progress)
    queued = f"{swept.queued} users queued, " if swept.queued else ""
    what = "lack the policy" if swept.dry_run else "attached"
    refused = f", {sum(swept.failed.values())} refused" if swept.failed else ""
    return f"{queued}{swept.listed} identities listed, {swept.attached} {what}{refused}"


def _result(execution: Execution, policy: str) -> CommandResult:
    swept = Sweep.of(execution.progress) if execution.progress else None
    members = {"sweep": swept and swept.as_members()}
    if execution.status != "SUCCEEDED" or swept is None:
        failure = failed(
            f"The sweep did not finish {execution.end}.",
            resource=execution.arn,
            fix="The next sweep resumes where this one stopped: `pubsub sweep`. "
            "See docs/how-to/operate.md#sweep-failed.",
        )
        return CommandResult((), members, failure)
    if swept.ended == "paused":
        failure = failed(
            "Attachment is paused since `pubsub detach --all`, so no policy was attached.",
            resource=policy,
            fix="Resume attachment and attach every identity: pubsub sweep --resume",
        )
        return CommandResult((), members, failure)
    if swept.ended == "already-running":
        failure = failed("Another sweep began first.", resource=execution.arn, fix="Show it: pubsub sweep")
        return CommandResult((), members, failure)
    if swept.failed:
        causes = "; ".join(f"{count} x {code}" for code, count in swept.failed.items())
        failure = failed(
            f"AWS IoT refused {sum(swept.failed.values())} identities: {causes}.",
            resource=policy,
            fix="See docs/how-to/operate.md#sweep-attach-failed.",
        )
        return CommandResult([*_lines(swept, policy)], members, failure)
    return CommandResult([*_lines(swept, policy)], members)


def _lines(swept: Sweep, policy: str) -> Iterator[str]:
    if swept.resumed:
        yield "Resumed where the last sweep had stopped."
    if swept.queued:
        yield f"{swept.queued} users were queued for attachment."
    others = f"{swept.other_providers} of other identity providers, " if swept.other_providers else ""
    yield (
        f"{swept.listed} identities: {swept.guests} guests, {others}{swept.unchanged} not changed since the last sweep."
    )
    which = "every identity" if swept.full else "the identities changed since the last sweep"
    attached = "" if swept.dry_run else ", which is attached now"
    yield f"Checked {which}: {swept.already_attached} had {policy}, {swept.attached} lacked it{attached}."
