"""``pubsub detach --all``: detach the IoT policy from everybody, and let nothing attach it again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from pubsub_cli.aws import Aws
from pubsub_cli.commands.following import follow
from pubsub_cli.commands.told import Told, tell
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Finding, failed
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.detach_all import Leaving, running_detach_all, start_detach_all
from pubsub_cli.operations.executions import Execution, StateMachine
from pubsub_cli.operations.failure import OperationError, aws_errors_explained
from pubsub_client.outputs import Output


def detach_all(aws: Aws, stack: str, *, per_second: int | None, ask: bool, json: bool, redact: bool) -> None:
    """Detach everybody, or look at how far that has come.

    Args:
        aws: the operator's way to AWS.
        stack: the stack's name.
        per_second: DetachPolicy calls a second; None takes the deployment's setting.
        ask: ask first.
        json: standard output is for a document.
        redact: mask identity ids in what is shown.

    Raises:
        PreconditionError: the answer was no, or the state machine is at other work.
        typer.Exit: it was interrupted, or could not be done.
    """
    failure: Finding | None = None
    lines: list[str] = []
    left: Leaving | None = None
    try:
        with aws_errors_explained(aws, stack):
            deployment = Deployment.find(aws, stack)
            machine = StateMachine.of(deployment, Output.DETACH_ALL_STATE_MACHINE_ARN)
            execution_arn = running_detach_all(machine)
            if execution_arn is None:
                if ask:
                    _ask(deployment, json)
                execution_arn = start_detach_all(deployment, machine, per_second)
            execution = follow(machine, execution_arn, _progress, again="pubsub detach --all", json=json)
        left = Leaving.of(execution.progress) if execution.progress else None
        lines, failure = _outcome(execution, left, deployment)
    except OperationError as error:
        failure = error.finding
    tell(Told(lines, {"detached": left and left.as_members()}, failure), "detach", aws, stack, json=json, redact=redact)


def _ask(deployment: Deployment, json: bool) -> None:
    stream = sys.stderr if json else sys.stdout
    print(
        f"This detaches {deployment.policy_name} from every identity: no user of {deployment.stack} can use AWS IoT "
        "then, and none is attached again before `pubsub sweep --resume`.\nDetach everybody? [y/N] ",
        end="",
        file=stream,
        flush=True,
    )
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise PreconditionError("nobody is detached")


def _progress(progress: Mapping[str, Any]) -> str:
    left = Leaving.of(progress)
    refused = f", {sum(left.failed.values())} refused" if left.failed else ""
    return f"{left.detached} detached{refused}"


def _outcome(execution: Execution, left: Leaving | None, deployment: Deployment) -> tuple[list[str], Finding | None]:
    """Return what it came to in lines, and what came out wrong."""
    options = f"--stack {deployment.stack}{deployment.aws.cli_options}"
    on_again = f"Attaching stays off; to attach everybody again: pubsub sweep --resume {options}"
    if execution.status != "SUCCEEDED" or left is None:
        return [], failed(
            f"{deployment.policy_name} is not detached from everybody {execution.end}.",
            resource=execution.arn,
            fix=f"Mend that, and run it again. {on_again}",
        )
    return [
        f"{deployment.policy_name} is detached from everybody: {left.detached} targets.",
        f"To delete the stack: cdk destroy. {on_again}",
    ], None
