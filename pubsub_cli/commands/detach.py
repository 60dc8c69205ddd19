"""``pubsub detach``: detach the IoT policy from one identity, or from everyone."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pubsub_cli import options
from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import OperationError, failed
from pubsub_cli.identity_options import IdentitySelector, change_members, run_on_identity
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
from pubsub_cli.run_options import RunOptions, StackOptions
from pubsub_cli.terminal import check_can_confirm, confirm
from pubsub_client.outputs import Output


def detach(
    target: StackOptions,
    selector: IdentitySelector,
    all_identities: Annotated[bool, typer.Option("--all", help="Detach everyone, and pause attachment.")] = False,
    per_second: Annotated[
        int | None,
        typer.Option(
            "--per-second",
            metavar="N",
            min=1,
            max=1000,
            help="With --all: detachments per second; default: the setting detachPerSecond.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --all: skip the confirmation prompt.")] = False,
    json: options.Json = False,
    redact: options.Redact = False,
) -> None:
    """Detach the IoT policy from one identity until the user signs in or self-attaches; --all: from everyone.

    AWS Step Functions runs the bulk detachment. If you interrupt this command, the detachment continues; run the
    command again to see its progress.
    """
    if all_identities and selector != IdentitySelector():
        raise typer.BadParameter("--all cannot be combined with --user, --identity-id and --id-token")
    if not all_identities and (yes or per_second is not None):
        raise typer.BadParameter(f"{'--yes' if yes else '--per-second'} goes with --all")
    run = target.start("detach", json=json, redact=redact)
    if all_identities:
        check_can_confirm(yes=yes)
        _detach_all(run, target.aws, per_second, ask=not yes)
    else:
        run_on_identity(run, target, selector, _detach)


def _detach(deployment: Deployment, subject: Subject) -> CommandResult:
    change = detach_policy(deployment, subject)
    policy = deployment.policy_name
    done = "is detached" if change.changed else "was not attached"
    lines = [f"{policy} {done}: identity {change.identity_id}", *_next_steps(deployment, subject)]
    return CommandResult(lines, change_members(subject, change, policy, attached=False))


def _next_steps(deployment: Deployment, subject: Subject) -> list[str]:
    if subject.user is None:
        self_attach = "The user can attach it again by self-attach."
        if not deployment.attaches_at_sign_in:
            return [self_attach]
        return [
            self_attach,
            "A user whose marker names this identity is not attached again at sign-in until the marker expires; "
            "`pubsub detach --user NAME` voids the marker.",
        ]
    pool = deployment.output(Output.USER_POOL_ID)
    name = f"--user-pool-id {pool} --username {shlex.quote(subject.user.name)}"
    disable = f"aws cognito-idp admin-disable-user {name}"
    return [
        f"{'The next sign-in or self-attach' if deployment.attaches_at_sign_in else 'Self-attach'} attaches it again; "
        f"to keep the user out: {disable}{deployment.aws.cli_options}",
        "Credentials that the user already has stay valid for up to an hour, for self-attach too.",
    ]


def _detach_all(run: RunOptions, aws: Aws, per_second: int | None, *, ask: bool) -> None:
    """Start the bulk detachment, or follow the running one."""
    try:
        with aws_errors_explained(aws, run.stack):
            deployment = Deployment.find(aws, run.stack)
            machine = StateMachine.of(deployment, Output.DETACH_ALL_STATE_MACHINE_ARN)
            execution_arn = running_detach_all(machine)
            if execution_arn is None:
                if ask:
                    _confirm(deployment, run)
                execution_arn = start_detach_all(deployment, machine, per_second)
            execution = follow_execution(machine, execution_arn, _progress, rerun="pubsub detach --all", json=run.json)
        result = _result(execution, deployment)
    except OperationError as error:
        result = CommandResult((), {"detached": None}, error.finding)
    emit(result, run)


def _confirm(deployment: Deployment, run: RunOptions) -> None:
    question = (
        f"This detaches {deployment.policy_name} from every identity. No user of {deployment.stack} can use AWS IoT "
        "then, and no policy is attached again before `pubsub sweep --resume`.\nDetach everyone?"
    )
    if not confirm(question, sys.stderr if run.json else sys.stdout):
        raise PreconditionError("no policy was detached")


def _progress(progress: Mapping[str, Any]) -> str:
    detachment = BulkDetachment.of(progress)
    refused = f", {sum(detachment.failed.values())} refused" if detachment.failed else ""
    return f"{detachment.detached} detached{refused}"


def _result(execution: Execution, deployment: Deployment) -> CommandResult:
    detachment = BulkDetachment.of(execution.progress) if execution.progress else None
    members = {"detached": detachment and detachment.as_members()}
    stack_options = f"--stack {deployment.stack}{deployment.aws.cli_options}"
    resume = f"Attachment stays paused; to attach everyone again: pubsub sweep --resume {stack_options}"
    if execution.status != "SUCCEEDED" or detachment is None:
        failure = failed(
            f"{deployment.policy_name} is not detached from everyone {execution.end}.",
            resource=execution.arn,
            fix=f"Fix that, and run it again. {resume}",
        )
        return CommandResult((), members, failure)
    lines = [
        f"{deployment.policy_name} is detached from everyone: {detachment.detached} targets.",
        f"To delete the stack: cdk destroy. {resume}",
    ]
    return CommandResult(lines, members)
