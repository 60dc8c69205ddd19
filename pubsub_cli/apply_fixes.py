"""Runs the safe fixes, each after confirmation; a fix ends at its first command that is not done."""

from __future__ import annotations

import io
import shlex
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import typer
from typer.exceptions import TyperException

from pubsub_cli.app import app
from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import AWS_ERRORS
from pubsub_cli.check_run import CheckRun, show_line
from pubsub_cli.checks.check import Result
from pubsub_cli.errors import CommandFailedError, ExitCode, PreconditionError
from pubsub_cli.finding import AwsCommand, Command, OperationError, Status
from pubsub_cli.options import RunOptions
from pubsub_cli.terminal import confirm
from pubsub_client._printable import one_line

_GUARD_CHECKS = ("PS308",)
"""The check of the control-plane guard: a permissions boundary, or a deny, on the roles of signed-in users."""

# They give a role more permissions, or a role to more users.
_OPENING = {
    ("iam", "AttachRolePolicy"),
    ("iam", "UpdateAssumeRolePolicy"),
    ("cognito-identity", "SetIdentityPoolRoles"),
    ("cognito-identity", "UpdateIdentityPool"),
}


class Outcome(StrEnum):
    """How a command of a fix ended."""

    DONE = "done"
    FAILED = "failed"
    DECLINED = "declined"
    INTERRUPTED = "interrupted"
    """It had begun; whether it took effect is unknown."""
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Step:
    """A command of a fix, its outcome, and why it was not done."""

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
        run: how the fixes are shown.
        aws: the operator's clients.
        ask: confirm each command.
    """

    run: RunOptions
    aws: Aws
    ask: bool
    steps: list[Step] = field(default_factory=list)
    """The commands of all fixes, in order, with their outcomes."""
    interrupted: bool = False

    @property
    def changed(self) -> bool:
        """Whether a command was done."""
        return any(each.outcome is Outcome.DONE for each in self.steps)

    def apply(self, checked: CheckRun) -> None:
        """Run the fixes of which every command is safe.

        A finding's commands run in order; after the first that fails or is declined, the rest is skipped. The
        control-plane guard of signed-in users' roles comes first. Without it, no command gives these roles more
        permissions or more users.
        """
        missing_guards = dict(_unchecked_guards(checked, self.run.skip))
        for result in _guards_first(checked.results):
            commands = result.finding.safe_commands
            if self.interrupted:
                self._skip(result.check.id, commands, "interrupted")
            elif not commands:
                self._show(f"  {result.check.id}  is left to you: --fix does not run this kind of fix")
            elif blocking := _blocking(result, missing_guards):
                self._skip(result.check.id, commands, missing_guards[blocking].reason)
            elif self._run_commands(result.check.id, commands):
                continue
            if _is_guard(result):
                missing_guards[result.check.id] = _MissingGuard(f"{result.check.id} is not fixed", _roles(result))
        if self.steps:
            counts = Counter(each.outcome for each in self.steps)
            summary = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
            self._show(f"fixes: {summary}")

    def _run_commands(self, check_id: str, commands: Sequence[Command]) -> bool:
        """Run the commands up to the first that is not done; return whether all were done."""
        for number, command in enumerate(commands):
            step = self._run(check_id, command)
            self.steps.append(step)
            if step.outcome is not Outcome.DONE:
                self._skip(check_id, commands[number + 1 :], f"the command before it: {step.outcome}")
                return False
        return True

    def _run(self, check_id: str, command: Command) -> Step:
        line = f"{command}{self.aws.cli_options}"
        self._show(f"  {check_id}  {line}")
        begun = False
        try:
            if self.ask and not confirm("         run it?", sys.stderr):
                self._show("         declined")
                return Step(check_id, line, Outcome.DECLINED)
            begun = True
            _execute(command, self.aws)
        except (*AWS_ERRORS, CommandFailedError) as error:
            self._show(f"         failed: {one_line(str(error))}")
            return Step(check_id, line, Outcome.FAILED, str(error))
        except KeyboardInterrupt:
            self.interrupted = True
            self._show(f"         interrupted{', and may have taken effect' if begun else ''}")
            return Step(check_id, line, Outcome.INTERRUPTED if begun else Outcome.NOT_RUN, "interrupted")
        self._show("         done")
        return Step(check_id, line, Outcome.DONE)

    def _skip(self, check_id: str, commands: Sequence[Command], reason: str) -> None:
        for command in commands:
            line = f"{command}{self.aws.cli_options}"
            self._show(f"  {check_id}  {line}")
            self._show(f"         not run: {reason}")
            self.steps.append(Step(check_id, line, Outcome.NOT_RUN, reason))

    def _show(self, line: str) -> None:
        show_line(self.run, line)


@dataclass(frozen=True)
class _MissingGuard:
    """Why the control-plane guard may be missing, and from which roles; an empty set means all roles."""

    reason: str
    roles: frozenset[str] = frozenset()


def _execute(command: Command, aws: Aws) -> None:
    if isinstance(command, AwsCommand):
        command.run(aws)
    else:
        _run_pubsub([*command.arguments, *shlex.split(aws.cli_options)])


def _run_pubsub(arguments: Sequence[str]) -> None:
    """Run a command of ``pubsub`` in this process, and keep its output out of this command's.

    Raises:
        CommandFailedError: the command failed; the message is what it wrote to standard error.
        KeyboardInterrupt: it was interrupted.
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


def _unchecked_guards(checked: CheckRun, skip: Collection[str]) -> Iterator[tuple[str, _MissingGuard]]:
    """Yield the guard checks that were not run or are unknown."""
    findings = {each.check.id: each.finding for each in checked.results}
    for check_id in _GUARD_CHECKS:
        finding = findings.get(check_id)
        if finding is None or check_id in skip:
            yield check_id, _MissingGuard(f"{check_id} was skipped by --only or --skip")
        elif finding.status is Status.UNKNOWN:
            yield check_id, _MissingGuard(f"{check_id} is unknown")
        elif finding.status is Status.SKIPPED and not finding.not_applicable:
            yield check_id, _MissingGuard(f"{check_id} was skipped ({finding.cause}); run the command yourself")


def _guards_first(results: Sequence[Result]) -> list[Result]:
    """Return the failed checks and warnings in order, with those of guards first."""
    wrong = [each for each in results if each.finding.status in (Status.FAILED, Status.WARNING)]
    return sorted(wrong, key=lambda each: (not any(map(_guards, each.finding.commands)), not _is_guard(each)))


def _is_guard(result: Result) -> bool:
    return result.check.id in _GUARD_CHECKS or any(map(_guards, result.finding.commands))


def _guards(command: Command) -> bool:
    """Return whether a command adds a control-plane guard: a permissions boundary, or the stack's deny."""
    if not isinstance(command, AwsCommand) or command.service != "iam":
        return False
    policy = str(command.parameters.get("PolicyArn", ""))
    return command.operation == "PutRolePermissionsBoundary" or "ControlPlaneDeny" in policy


def _opens(command: Command) -> bool:
    return isinstance(command, AwsCommand) and (command.service, command.operation) in _OPENING


def _roles(result: Result) -> frozenset[str]:
    commands = (each for each in result.finding.commands if isinstance(each, AwsCommand))
    return frozenset(str(each.parameters["RoleName"]) for each in commands if "RoleName" in each.parameters)


def _blocking(result: Result, missing_guards: Mapping[str, _MissingGuard]) -> str | None:
    """Return the guard check that blocks a fix; None if nothing does.

    A finding that adds a role's guard is blocked only by other findings about the same role.
    """
    if not any(map(_opens, result.finding.commands)):
        return None
    guard = _is_guard(result)
    own = _roles(result)
    return next((check_id for check_id, each in missing_guards.items() if not guard or own & each.roles), None)
