"""``pubsub detach``: detach the IoT policy from an identity, or from all identities."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import typer

from pubsub_cli import options
from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.commands.attach import change_members
from pubsub_cli.commands.identity import run_on_identity
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import OperationError, failed
from pubsub_cli.operations.attachment import detach as detach_policy
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.executions import (
    BulkDetachment,
    Execution,
    StateMachine,
    running_detach_all,
    start_detach_all,
)
from pubsub_cli.operations.identity import Subject
from pubsub_cli.output import CommandResult, emit
from pubsub_cli.progress import follow_execution
from pubsub_cli.terminal import check_can_confirm, confirm
from pubsub_client.outputs import Output


def detach(
    target: options.StackOptions,
    selected: options.IdentityOptions,
    all_identities: Annotated[bool, typer.Option("--all", help="Detach all identities, and pause attachment.")] = False,
    per_second: Annotated[
        int | None,
        typer.Option(
            "--per-second",
            metavar="N",
            min=1,
            max=1000,
            help="Detach this many a second with --all. Default: the setting detachPerSecond.",
        ),
    ] = None,
    yes: options.Yes = False,
    json: options.Json = False,
    redact: options.Redact = False,
) -> None:
    """Detach the IoT policy from an identity, or from all identities.

    A detached user cannot use AWS IoT until the next sign-in or self-attach. After --all no user can, until
    `pubsub sweep --resume`.

    AWS Step Functions runs a detachment of all identities. If you interrupt this command, the detachment continues. Run
    the command again to see its progress.

    Examples:
      pubsub detach --user ada
      pubsub detach --all --per-second 10
    """
    if all_identities and selected != options.IdentityOptions():
        raise typer.BadParameter("--all cannot be combined with --user, --identity-id and --id-token")
    if not all_identities and per_second is not None:
        raise typer.BadParameter("--per-second goes with --all")
    selected.check(required=not all_identities)
    check_can_confirm(yes=yes)
    if all_identities:
        _detach_all(target.start("detach", json=json, redact=redact), target.aws, per_second, ask=not yes)
    else:
        ask_on = None if yes else _prompt_stream(json)
        run_on_identity("detach", target, selected, partial(_detach, ask_on), json=json, redact=redact)


def _prompt_stream(json: bool) -> Any:
    return sys.stderr if json else sys.stdout


def _detach(ask_on: Any, deployment: Deployment, subject: Subject) -> CommandResult:
    identity_id, policy = subject.known_identity_id(), deployment.policy_name
    if ask_on:
        user = f" of user {subject.user.name}" if subject.user else ""
        again = "the next sign-in or self-attach" if deployment.attaches_at_sign_in else "the next self-attach"
        effect = f"The user cannot use AWS IoT until {again}."
        _confirm(f"This detaches {policy} from identity {identity_id}{user}. {effect}\nDetach?", ask_on)
    change = detach_policy(deployment, subject)
    state = "is detached" if change.changed else "was not attached"
    lines = [f"{policy} {state}: identity {change.identity_id}", *_next_steps(deployment, subject)]
    return CommandResult(lines, change_members(subject, change, policy, attached=False))


def _confirm(question: str, stream: Any) -> None:
    """Ask the question.

    Raises:
        PreconditionError: the answer is no.
    """
    if not confirm(question, stream):
        raise PreconditionError("no policy was detached")


def _next_steps(deployment: Deployment, subject: Subject) -> list[str]:
    if subject.user is None:
        self_attach = "The user can attach it again by self-attach."
        if not deployment.attaches_at_sign_in:
            return [self_attach]
        return [
            self_attach,
            "A sign-in does not attach it again while the user's marker names this identity; "
            "`pubsub detach --user NAME` voids the marker.",
        ]
    pool = deployment.output(Output.USER_POOL_ID)
    name = f"--user-pool-id {pool} --username {shlex.quote(subject.user.name)}"
    again = "The next sign-in or self-attach" if deployment.attaches_at_sign_in else "Self-attach"
    return [
        f"{again} attaches it again. To keep the user out, disable the user:",
        f"  aws cognito-idp admin-disable-user {name}{deployment.aws.cli_options}",
        "AWS credentials that the user already has stay valid for up to an hour, also for self-attach.",
    ]


def _detach_all(run: options.RunOptions, aws: Aws, per_second: int | None, *, ask: bool) -> None:
    """Start the bulk detachment, or follow the running one."""
    try:
        with aws_errors_explained(aws, run.stack):
            deployment = Deployment.find(aws, run.stack)
            machine = StateMachine.of(deployment, Output.DETACH_ALL_STATE_MACHINE_ARN)
            execution_arn = running_detach_all(machine)
            if execution_arn is None:
                if ask:
                    _confirm(
                        f"This detaches {deployment.policy_name} from every identity, and pauses attachment. No user "
                        f"of {deployment.stack} can use AWS IoT until `pubsub sweep --resume`.\nDetach all identities?",
                        _prompt_stream(run.json),
                    )
                execution_arn = start_detach_all(deployment, machine, per_second)
            execution = follow_execution(machine, execution_arn, _progress, rerun="pubsub detach --all", json=run.json)
        result = _result(execution, deployment)
    except OperationError as error:
        result = CommandResult((), {"detached": None}, error.finding)
    emit(result, run)


def _progress(progress: Mapping[str, Any]) -> str:
    detachment = BulkDetachment.of(progress)
    refused = f", {sum(detachment.failed.values())} refused" if detachment.failed else ""
    return f"{detachment.detached} detached{refused}"


def _result(execution: Execution, deployment: Deployment) -> CommandResult:
    detachment = BulkDetachment.of(execution.progress) if execution.progress else None
    members = {"detached": detachment and detachment.as_members()}
    resume = f"pubsub sweep --resume --stack {deployment.stack}{deployment.aws.cli_options}"
    if execution.status != "SUCCEEDED" or detachment is None:
        failure = failed(
            f"Not all identities were detached from {deployment.policy_name} {execution.end}.",
            resource=execution.arn,
            fix="Fix the cause, and run the command again. Attachment stays paused. To attach everyone again:\n"
            + resume,
        )
        return CommandResult((), members, failure)
    lines = [
        f"{deployment.policy_name} is detached from all identities: {detachment.detached} detached.",
        "Attachment stays paused. To delete the stack: cdk destroy",
        f"To attach everyone again: {resume}",
    ]
    return CommandResult(lines, members)
