"""How an execution is shown while it runs: a line that changes on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import typer

from pubsub_cli.commands.console import TerminalConsole
from pubsub_cli.commands.exit_code import ExitCode
from pubsub_cli.commands.interrupting import interrupt_on_sigterm
from pubsub_cli.operations.executions import Execution, StateMachine


def follow(
    machine: StateMachine, execution_arn: str, line: Callable[[Mapping[str, Any]], str], *, again: str, json: bool
) -> Execution:
    """Show an execution until it has ended, and return it as it then is.

    Args:
        machine: whose execution it is.
        execution_arn: the execution.
        line: what is shown of how far it has come.
        again: the command that shows it again, for whoever stops looking.
        json: standard output is for a document; what is shown goes to standard error.

    Raises:
        typer.Exit: interrupted; the execution goes on.
        botocore.exceptions.ClientError: AWS refuses.
        OperationError: the execution is not there any more.
    """
    console = TerminalConsole(stderr=json, soft_wrap=True)
    interrupt_on_sigterm()
    try:
        with console.status("starting") as shown:
            for execution in machine.follow(execution_arn):
                if execution.progress:
                    shown.update(line(execution.progress))
                    if not console.is_terminal:
                        console.print(line(execution.progress))
    except KeyboardInterrupt:
        print(f"pubsub: it goes on without being looked at; `{again}` shows it again", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    return execution
