"""Runs the safe fixes, each command after confirmation."""

from __future__ import annotations

import io
import shlex
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import typer
from typer.exceptions import TyperException

from pubsub_cli.app import app
from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import AWS_ERRORS
from pubsub_cli.check_run import CheckRun, show_line, show_wrapped
from pubsub_cli.checks.roles import RolesAreGuarded
from pubsub_cli.errors import CommandFailedError, ExitCode, PreconditionError
from pubsub_cli.finding import AwsCommand, Command, OperationError, Status
from pubsub_cli.options import RunOptions
from pubsub_cli.terminal import confirm

_GUARD = RolesAreGuarded.id
_OPENING = {
    ("iam", "AttachRolePolicy"),
    ("iam", "UpdateAssumeRolePolicy"),
    ("cognito-identity", "SetIdentityPoolRoles"),
    ("cognito-identity", "UpdateIdentityPool"),
}
"""The operations that give a role more permissions, or more users a role."""
_REPLACING = {
    ("cognito-idp", "UpdateUserPool"): "UserPoolId",
    ("cognito-idp", "UpdateUserPoolClient"): "ClientId",
    ("cognito-identity", "SetIdentityPoolRoles"): "IdentityPoolId",
    ("cognito-identity", "UpdateIdentityPool"): "IdentityPoolId",
}
"""The operations that replace all settings of a resource, with the parameter that names the resource."""


class Outcome(StrEnum):
    """The result of a fix's command."""

    DONE = "done"
    FAILED = "failed"
    DECLINED = "declined"
    INTERRUPTED = "interrupted"
    """The command had started; whether it took effect is unknown."""
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Step:
    """A command of a fix, its outcome, and the reason if it was not done."""

    check_id: str
    command: str
    outcome: Outcome
    reason: str | None = None

    def as_member(self) -> dict[str, Any]:
        """Return the entry of the JSON document."""
        return {"id": self.check_id, "command": self.command, "outcome": self.outcome, "reason": self.reason}


@dataclass
class FixRunner:
    """Runs the fixes of one check run.

    Args:
        run: the options of the run.
        aws: the operator's clients.
        ask: whether to confirm each command.
    """

    run: RunOptions
    aws: Aws
    ask: bool
    steps: list[Step] = field(default_factory=list)
    """The commands of all fixes, in order, with their outcomes."""
    interrupted: bool = False
    _replaced: dict[tuple[str, str, Any], str] = field(default_factory=dict)
    """The settings that this run replaced, with the check whose fix did it."""

    @property
    def changed(self) -> bool:
        """Whether a command was done."""
        return any(each.outcome is Outcome.DONE for each in self.steps)

    def apply(self, checked: CheckRun) -> None:
        """Run the fixes whose commands are all safe.

        The commands of a fix run in order. After the first that fails or is declined, the rest of the fix is skipped.
        The control-plane guard of the roles is fixed first. Until it is in place, no command gives these roles more
        permissions or more users.
        A fix that would replace settings which another fix of this run changed is not run: it would undo that fix.
        """
        guard_missing = _reason_for_unknown_guard(checked, self.run.skip)
        wrong = [each for each in checked.results if each.finding.status in (Status.FAILED, Status.WARNING)]
        if wrong:
            self._show("fixes")
        for result in sorted(wrong, key=lambda each: each.check.id != _GUARD):
            check_id, commands = result.check.id, result.finding.safe_commands
            done = False
            if self.interrupted:
                self._skip(check_id, commands, "interrupted")
            elif not commands:
                self._show(f"  {check_id}  not fixed: --fix does not run this fix; run it yourself")
            elif guard_missing and any(map(_opens, commands)):
                self._skip(check_id, commands, guard_missing)
            elif earlier := self._fix_undone_by(commands):
                self._skip(check_id, commands, f"it would undo the fix of {earlier}; run the doctor again")
            else:
                done = self._run_commands(check_id, commands)
            if check_id == _GUARD and not done:
                guard_missing = f"{_GUARD} is not fixed"
        if self.steps:
            counts = Counter(each.outcome for each in self.steps)
            summary = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
            self._show(f"fixes: {summary}")

    def _run_commands(self, check_id: str, commands: Sequence[Command]) -> bool:
        """Run the commands up to the first that is not done; return whether all were done."""
        for number, command in enumerate(commands):
            step = self._run(check_id, command)
            self.steps.append(step)
            if step.outcome is Outcome.DONE and (settings := _replaced_settings(command)):
                self._replaced[settings] = check_id
            if step.outcome is not Outcome.DONE:
                self._skip(check_id, commands[number + 1 :], f"the command before it: {step.outcome}")
                return False
        return True

    def _fix_undone_by(self, commands: Sequence[Command]) -> str | None:
        """Return the check whose fix these commands would undo, because they repeat settings from before it."""
        replaced = (_replaced_settings(command) for command in commands)
        return next((self._replaced[settings] for settings in replaced if settings in self._replaced), None)

    def _run(self, check_id: str, command: Command) -> Step:
        line = f"{command}{self.aws.cli_options}"
        show_wrapped(self.run, f"  {check_id}  ", line)
        started = False
        try:
            if self.ask and not confirm("         Run it?", sys.stderr):
                self._show("         declined")
                return Step(check_id, line, Outcome.DECLINED)
            started = True
            _execute(command, self.aws)
        except (*AWS_ERRORS, CommandFailedError) as error:
            show_wrapped(self.run, "         ", f"failed: {error}")
            return Step(check_id, line, Outcome.FAILED, str(error))
        except KeyboardInterrupt:
            self.interrupted = True
            self._show(f"         interrupted{'; it may have taken effect' if started else ''}")
            return Step(check_id, line, Outcome.INTERRUPTED if started else Outcome.NOT_RUN, "interrupted")
        self._show("         done")
        return Step(check_id, line, Outcome.DONE)

    def _skip(self, check_id: str, commands: Sequence[Command], reason: str) -> None:
        for command in commands:
            line = f"{command}{self.aws.cli_options}"
            show_wrapped(self.run, f"  {check_id}  ", line)
            self._show(f"         not run: {reason}")
            self.steps.append(Step(check_id, line, Outcome.NOT_RUN, reason))

    def _show(self, line: str) -> None:
        show_line(self.run, line)


def _execute(command: Command, aws: Aws) -> None:
    if isinstance(command, AwsCommand):
        command.run(aws)
    else:
        _run_pubsub([*command.arguments, *shlex.split(aws.cli_options)])


def _run_pubsub(arguments: Sequence[str]) -> None:
    """Run a command of ``pubsub`` in this process, without its output.

    Raises:
        CommandFailedError: the command failed; the message is its standard error.
        KeyboardInterrupt: the command was interrupted.
    """
    errors = io.StringIO()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(errors):
            code = app(arguments, standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except (TyperException, PreconditionError, OperationError) as error:
        raise CommandFailedError(str(error)) from error
    if code == ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise CommandFailedError(errors.getvalue().strip() or f"exit code {code}")


def _reason_for_unknown_guard(checked: CheckRun, skip: Collection[str]) -> str | None:
    """Return why it is unknown whether the roles have the control-plane guard; None if the check has a result."""
    finding = next((each.finding for each in checked.results if each.check.id == _GUARD), None)
    if finding is None or _GUARD in skip:
        return f"{_GUARD} was skipped by --only or --skip"
    if finding.status is Status.UNKNOWN:
        return f"{_GUARD} is unknown"
    if finding.status is Status.SKIPPED and not finding.not_applicable:
        return f"{_GUARD} was skipped ({finding.cause}); run the command yourself"
    return None


def _opens(command: Command) -> bool:
    return isinstance(command, AwsCommand) and (command.service, command.operation) in _OPENING


def _replaced_settings(command: Command) -> tuple[str, str, Any] | None:
    """Return the operation and the resource whose settings a command replaces; None if it replaces none."""
    if not isinstance(command, AwsCommand) or (command.service, command.operation) not in _REPLACING:
        return None
    resource = command.parameters[_REPLACING[command.service, command.operation]]
    return command.service, command.operation, resource
