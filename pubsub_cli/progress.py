"""Shows the progress of an execution: one changing line on a terminal, otherwise a line for each change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pubsub_cli.operations.executions import Execution, StateMachine
from pubsub_cli.output import TerminalConsole
from pubsub_cli.signals import exit_if_interrupted, interrupt_on_sigterm


def follow_execution(
    machine: StateMachine, execution_arn: str, line: Callable[[Mapping[str, Any]], str], *, rerun: str, json: bool
) -> Execution:
    """Show an execution until it ends, and return its final state.

    Args:
        machine: the state machine.
        execution_arn: the execution.
        line: formats the progress as a line.
        rerun: the command that follows the execution again.
        json: write the progress to standard error.

    Raises:
        typer.Exit: the command was interrupted; the execution continues.
        OperationError: the execution does not exist any more.
    """
    console = TerminalConsole(stderr=json, soft_wrap=True)
    interrupt_on_sigterm()
    with (
        exit_if_interrupted(lambda: f"the execution continues in AWS; to see it again: {rerun}"),
        console.status("starting") as status,
    ):
        for execution in machine.follow(execution_arn):
            if execution.progress:
                status.update(line(execution.progress))
                if not console.is_terminal:
                    console.print(line(execution.progress))
    return execution
