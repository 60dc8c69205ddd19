"""Runs the fixes that are safe, each after asking; the fix of a finding ends at its first command that is not done."""

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

from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import AWS_ERRORS
from pubsub_cli.checks.runner import Result
from pubsub_cli.commands.checking import Checking, Run
from pubsub_cli.commands.exit_code import ExitCode
from pubsub_cli.errors import CommandFailedError, PreconditionError
from pubsub_cli.finding import AwsCommand, Command, Status
from pubsub_cli.operations.failure import OperationError
from pubsub_client._printable import one_line

_GUARD_CHECKS = ("PS301", "PS303")
"""The checks that find out whether the roles of signed-in users are kept off AWS IoT's control plane."""

# Give a role more to do, or the role to more users.
_OPENING = {
    ("iam", "AttachRolePolicy"),
    ("iam", "UpdateAssumeRolePolicy"),
    ("cognito-identity", "SetIdentityPoolRoles"),
    ("cognito-identity", "UpdateIdentityPool"),
}


class Outcome(StrEnum):
    """What became of a command."""

    DONE = "done"
    FAILED = "failed"
    DECLINED = "declined"
    INTERRUPTED = "interrupted"
    """It had begun; whether it took effect is not known."""
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Step:
    """A command of a fix, and what became of it; the reason says why it is not done."""

    check_id: str
    command: str
    outcome: Outcome
    reason: str | None = None

    @property
    def member(self) -> dict[str, Any]:
        """The same for programs."""
        return {"id": self.check_id, "command": self.command, "outcome": self.outcome, "reason": self.reason}


@dataclass
class Fixing:
    """The fixes of one run of checks.

    Args:
        aws: the way to AWS.
        checking: the command that has found what is wrong, which shows the fixes.
        ask: ask before each command.
    """

    aws: Aws
    checking: Checking
    ask: bool
    steps: list[Step] = field(default_factory=list)
    """The commands of all fixes, in order."""
    interrupted: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return any(each.outcome is Outcome.DONE for each in self.steps)

    @property
    def counts(self) -> str:
        """How many commands came to what, in words."""
        counts = Counter(each.outcome for each in self.steps)
        return ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])

    def fix(self, run: Run) -> None:
        """Run the commands that mend what is wrong, where all of a fix is safe.

        A finding's commands are run in their order. After the first that fails or is declined, none of the others is
        run. What keeps signed-in users off AWS IoT's control plane comes first. Until that is there, no command opens
        their roles further.
        """
        unguarded = dict(_unchecked_guards(run, self.checking.skip))
        for result in _guards_first(run.results):
            commands = result.finding.safe_commands
            if self.interrupted:
                self._leave_out(result, commands, "interrupted")
            elif not commands:
                self._show(f"  {result.check.id}  is left to you: --fix does not run this kind of fix")
            elif blocking := _blocking(result, unguarded):
                self._leave_out(result, commands, unguarded[blocking].reason)
            elif self._run_all(result.check.id, commands):
                continue
            if _is_guard(result):
                unguarded[result.check.id] = _Unguarded(f"{result.check.id} is not fixed", _roles(result))
        if self.steps:
            self._show(f"fixes: {self.counts}")

    def _run_all(self, check_id: str, commands: Sequence[Command]) -> bool:
        """Run the commands up to the first that is not done; tell whether all are."""
        for number, command in enumerate(commands):
            step = self._run(check_id, command)
            self.steps.append(step)
            if step.outcome is not Outcome.DONE:
                for left in commands[number + 1 :]:
                    self._not_run(check_id, left, f"the command before it: {step.outcome}")
                return False
        return True

    def _run(self, check_id: str, command: Command) -> Step:
        line = f"{command}{self.aws.cli_options}"
        self._show(f"  {check_id}  {line}")
        begun = False
        try:
            if self.ask and not _confirmed():
                self._show("         declined")
                return Step(check_id, line, Outcome.DECLINED)
            begun = True
            _execute(command, self.aws)
        except (*AWS_ERRORS, CommandFailedError) as error:
            self._show(f"         it failed: {one_line(str(error))}")
            return Step(check_id, line, Outcome.FAILED, str(error))
        except KeyboardInterrupt:
            self.interrupted = True
            self._show(f"         interrupted{', and may have taken effect' if begun else ''}")
            return Step(check_id, line, Outcome.INTERRUPTED if begun else Outcome.NOT_RUN, "interrupted")
        self._show("         done")
        return Step(check_id, line, Outcome.DONE)

    def _leave_out(self, result: Result, commands: Sequence[Command], reason: str) -> None:
        for command in commands:
            self._not_run(result.check.id, command, reason)

    def _not_run(self, check_id: str, command: Command, reason: str) -> None:
        line = f"{command}{self.aws.cli_options}"
        self._show(f"  {check_id}  {line}")
        self._show(f"         not run: {reason}")
        self.steps.append(Step(check_id, line, Outcome.NOT_RUN, reason))

    def _show(self, line: str) -> None:
        self.checking.console.print(self.checking.shown(line), soft_wrap=True)


@dataclass(frozen=True)
class _Unguarded:
    """Why roles of signed-in users may reach AWS IoT's control plane, and which; without any, all of them."""

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
    from pubsub_cli.commands import app

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


def _confirmed() -> bool:
    print("         run it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _unchecked_guards(run: Run, skip: Collection[str]) -> Iterator[tuple[str, _Unguarded]]:
    """Yield the guard checks that nobody has made, or that came to nothing."""
    findings = {each.check.id: each.finding for each in run.results}
    for check_id in _GUARD_CHECKS:
        finding = findings.get(check_id)
        if finding is None or check_id in skip:
            yield check_id, _Unguarded(f"{check_id} was left out, by --only or --skip")
        elif finding.status is Status.UNKNOWN:
            yield check_id, _Unguarded(f"{check_id} is unknown")


def _guards_first(results: Sequence[Result]) -> list[Result]:
    """Return what is wrong, in order, but what guards roles before all else."""
    wrong = [each for each in results if each.finding.status in (Status.FAILED, Status.WARNING)]
    return sorted(wrong, key=lambda each: (not any(map(_guards, each.finding.commands)), not _is_guard(each)))


def _is_guard(result: Result) -> bool:
    return result.check.id in _GUARD_CHECKS or any(map(_guards, result.finding.commands))


def _guards(command: Command) -> bool:
    """Tell whether a command keeps a role off the control plane: by a permissions boundary, or the stack's deny."""
    if not isinstance(command, AwsCommand) or command.service != "iam":
        return False
    policy = str(command.parameters.get("PolicyArn", ""))
    return command.operation == "PutRolePermissionsBoundary" or "ControlPlaneDeny" in policy


def _opens(command: Command) -> bool:
    return isinstance(command, AwsCommand) and (command.service, command.operation) in _OPENING


def _roles(result: Result) -> frozenset[str]:
    commands = (each for each in result.finding.commands if isinstance(each, AwsCommand))
    return frozenset(str(each.parameters["RoleName"]) for each in commands if "RoleName" in each.parameters)


def _blocking(result: Result, unguarded: Mapping[str, _Unguarded]) -> str | None:
    """Return the guard check that keeps a fix from being run; None if nothing does.

    A finding that brings a role's guard itself waits only for other findings about the same role.
    """
    if not any(map(_opens, result.finding.commands)):
        return None
    guard = _is_guard(result)
    own = _roles(result)
    return next((check_id for check_id, each in unguarded.items() if not guard or own & each.roles), None)
