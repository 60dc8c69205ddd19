"""Progress of an execution of a state machine: one changing line on a terminal, a line for each change elsewhere."""

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
        machine: its state machine.
        execution_arn: the execution.
        line: returns the line that shows a progress.
        rerun: the command that shows the execution again.
        json: standard output is for a document, so progress goes to standard error.

    Raises:
        typer.Exit: interrupted; the execution continues.
        OperationError: the execution does not exist any more.
    """
    console = TerminalConsole(stderr=json, soft_wrap=True)
    interrupt_on_sigterm()
    with (
        exit_if_interrupted(lambda: f"it continues in AWS, and `{rerun}` shows it again"),
        console.status("starting") as status,
    ):
        for execution in machine.follow(execution_arn):
            if execution.progress:
                status.update(line(execution.progress))
                if not console.is_terminal:
                    console.print(line(execution.progress))
    return execution
