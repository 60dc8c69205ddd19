from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pubsub_cli.apply_fixes import FixRunner, Outcome
from pubsub_cli.aws import Aws
from pubsub_cli.check_run import CheckRun
from pubsub_cli.checks.catalogue import CHECKS
from pubsub_cli.checks.check import Result
from pubsub_cli.errors import CommandFailedError
from pubsub_cli.finding import AwsCommand, Finding, PubSubCommand, Status, failed, not_applicable, passed, skipped
from pubsub_cli.options import RunOptions

_IDENTITY_ID = "eu-west-1:01234567-89ab-cdef-0123-456789abcdef"
_BOUNDARY = AwsCommand(
    "iam", "PutRolePermissionsBoundary", {"RoleName": "AuthRole", "PermissionsBoundary": "arn:b"}, safe=True
)
_DENY = AwsCommand("iam", "AttachRolePolicy", {"RoleName": "AuthRole", "PolicyArn": "arn:ControlPlaneDeny1"}, safe=True)
_CONFIG_ACCESS = AwsCommand(
    "iam", "AttachRolePolicy", {"RoleName": "AuthRole", "PolicyArn": "arn:AWSIoTConfigAccess"}, safe=True
)
_ROLE_FOR_ALL = AwsCommand("cognito-identity", "SetIdentityPoolRoles", {"IdentityPoolId": "p", "Roles": {}}, safe=True)
_PROVIDER = AwsCommand("cognito-identity", "UpdateIdentityPool", {"IdentityPoolId": "p"}, safe=True)


@dataclass(frozen=True)
class Command(AwsCommand):
    service: str = "iot"
    operation: str = "AttachPolicy"
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"target": _IDENTITY_ID})
    safe: bool = True
    fails: bool = False
    interrupted: bool = False
    runs: list[str] = field(default_factory=list)

    def run(self, aws: Aws) -> None:  # noqa: ARG002 - calls nothing
        if self.fails:
            raise CommandFailedError(f"no such target {_IDENTITY_ID}")
        if self.interrupted:
            raise KeyboardInterrupt
        self.runs.append("run")


@dataclass
class Account(Aws):
    """Records the operations, and rejects some of them."""

    rejected: Collection[str] = ()
    called: list[str] = field(default_factory=list)
    cli_options: str = ""

    def call(self, _service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        if operation in self.rejected:
            raise OSError(f"{operation} was rejected")
        self.called.append(f"{operation} {parameters.get('PolicyArn', '')}".strip())


def _fix(*commands: Any, redact: bool = False, aws: Aws | None = None, ask: bool = False) -> FixRunner:
    return _fix_all({"PS101": failed("wrong", resource="r", fix=commands)}, redact=redact, aws=aws, ask=ask)


def _fix_all(
    findings: Mapping[str, Finding],
    *,
    redact: bool = False,
    aws: Aws | None = None,
    ask: bool = False,
    skip: Collection[str] = (),
    guards: Mapping[str, Finding] | None = None,
) -> FixRunner:
    found = {**({"PS308": passed()} if guards is None else guards), **findings}
    results = [Result(check, found[check.id], 0.1) for check in CHECKS if check.id in found]
    runner = FixRunner(RunOptions("doctor", "s", redact=redact, skip=skip), aws or Account(), ask=ask)
    runner.apply(CheckRun(results))
    return runner


def _outcomes(runner: FixRunner) -> list[str]:
    return [each.outcome for each in runner.steps]


def test_fix_with_an_unsafe_command_is_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    safe, unsafe = Command(), Command(safe=False)
    assert not _fix(safe, unsafe).changed
    assert (safe.runs, unsafe.runs) == ([], [])
    assert "PS101  not fixed: --fix does not run this fix; run it yourself" in capsys.readouterr().out


def test_safe_fix_is_shown_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    command = Command()
    assert _fix(command).changed
    assert command.runs == ["run"]
    assert _IDENTITY_ID in capsys.readouterr().out


def test_redact_masks_identity_ids_in_commands_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    assert not _fix(Command(fails=True), redact=True).changed
    shown = capsys.readouterr().out
    assert "failed: no such target <identity id>" in shown
    assert _IDENTITY_ID not in shown


def test_pubsub_command_that_fails_is_reported_with_its_error() -> None:
    (step,) = _fix(PubSubCommand(("attach",), safe=True)).steps
    assert (step.outcome, step.reason) == ("failed", "give one of --user, --identity-id and --id-token")


class TestCommandNotDone:
    def test_failure_ends_the_fix_of_its_finding(self, capsys: pytest.CaptureFixture[str]) -> None:
        first, second, third = Command(), Command(fails=True), Command()
        runner = _fix(first, second, third)
        assert (first.runs, third.runs) == (["run"], [])
        assert _outcomes(runner) == ["done", "failed", "not run"]
        shown = capsys.readouterr().out
        assert "not run: the command before it: failed" in shown
        assert shown.splitlines()[-1] == "fixes: 1 done, 1 failed, 1 not run"

    @pytest.mark.parametrize("answer", ["n\ny\n", ""], ids=["no", "end of input"])
    def test_declined_command_ends_the_fix_of_its_finding(
        self, answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        first, second = Command(), Command()
        runner = _fix(first, second, ask=True)
        assert (first.runs, second.runs) == ([], [])
        assert _outcomes(runner) == ["declined", "not run"]
        assert capsys.readouterr().err.count("Run it?") == 1

    def test_failure_does_not_stop_the_fixes_of_other_findings(self) -> None:
        other = Command()
        wrong = failed("wrong", resource="r", fix=[Command(fails=True)])
        runner = _fix_all({"PS101": wrong, "PS203": failed("wrong", resource="r", fix=[other])})
        assert other.runs == ["run"]
        assert runner.changed


class TestSettingsOfOneResource:
    """An update replaces all settings of its resource with those that the check read before the fixes."""

    def test_second_update_of_a_resource_is_not_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        aws = Account()
        runner = _fix_all(
            {
                "PS112": failed("wrong", resource="u", fix=_update_user_pool("u")),
                "PS117": failed("wrong", resource="u", fix=_update_user_pool("u")),
            },
            aws=aws,
        )
        assert aws.called == ["UpdateUserPool"]
        assert _outcomes(runner) == ["done", "not run"]
        assert "not run: it would undo the fix of PS112; run the doctor again" in capsys.readouterr().out

    def test_update_of_another_resource_is_run(self) -> None:
        aws = Account()
        _fix_all(
            {
                "PS112": failed("wrong", resource="u", fix=_update_user_pool("u")),
                "PS117": failed("wrong", resource="v", fix=_update_user_pool("v")),
            },
            aws=aws,
        )
        assert aws.called == ["UpdateUserPool", "UpdateUserPool"]

    def test_update_is_run_after_one_that_failed(self) -> None:
        aws = Account()
        rejected = failed("wrong", resource="r", fix=[Command(fails=True), _update_user_pool("u")])
        _fix_all({"PS112": rejected, "PS117": failed("wrong", resource="u", fix=_update_user_pool("u"))}, aws=aws)
        assert aws.called == ["UpdateUserPool"]


def _update_user_pool(pool_id: str) -> AwsCommand:
    return AwsCommand("cognito-idp", "UpdateUserPool", {"UserPoolId": pool_id}, safe=True)


class TestInterrupt:
    def test_interrupt_at_the_prompt_runs_nothing_more(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def ctrl_c() -> str:
            raise KeyboardInterrupt

        monkeypatch.setattr("sys.stdin.readline", ctrl_c)
        other = Command()
        wrong = failed("wrong", resource="r", fix=[Command(), Command()])
        runner = _fix_all({"PS101": wrong, "PS203": failed("wrong", resource="r", fix=[other])}, ask=True)
        assert runner.interrupted
        assert other.runs == []
        assert _outcomes(runner) == ["not run", "not run", "not run"]
        assert capsys.readouterr().err.endswith("[y/N] \n")

    def test_interrupt_during_a_command_leaves_its_effect_unknown(self, capsys: pytest.CaptureFixture[str]) -> None:
        runner = _fix(Command(interrupted=True), Command())
        assert runner.interrupted
        assert _outcomes(runner) == ["interrupted", "not run"]
        assert "may have taken effect" in capsys.readouterr().out


class TestGuards:
    """The control-plane guard of signed-in users' roles is added before any fix opens these roles."""

    @pytest.mark.parametrize("guard", [_BOUNDARY, _DENY])
    def test_failed_guard_stops_the_policies_after_it(self, guard: AwsCommand) -> None:
        aws = Account(rejected={guard.operation})
        _fix_all({"PS308": failed("wrong", resource="AuthRole", fix=[guard, _CONFIG_ACCESS])}, aws=aws)
        assert aws.called == []

    def test_guard_comes_first(self) -> None:
        aws = Account()
        _fix_all(
            {
                "PS115": failed("wrong", resource="p", fix=_PROVIDER),
                "PS308": failed("wrong", resource="AuthRole", fix=[_BOUNDARY, _CONFIG_ACCESS]),
                "PS304": failed("wrong", resource="p", fix=_ROLE_FOR_ALL),
            },
            aws=aws,
        )
        assert aws.called == [
            "PutRolePermissionsBoundary",
            "AttachRolePolicy arn:AWSIoTConfigAccess",
            "UpdateIdentityPool",
            "SetIdentityPoolRoles",
        ]

    @pytest.mark.parametrize(
        ("guards", "reason"),
        [
            ({"PS308": failed("w", resource="r", fix=_BOUNDARY)}, "PS308 is not fixed"),
            ({"PS308": failed("w", resource="r", fix=replace(_BOUNDARY, safe=False))}, "PS308 is not fixed"),
            ({"PS308": failed("w", resource="r", fix="Ask the owner")}, "PS308 is not fixed"),
            ({"PS308": Finding(Status.UNKNOWN, cause="denied")}, "PS308 is unknown"),
            ({}, "PS308 was skipped by --only or --skip"),
            ({"PS308": skipped("left out")}, "PS308 was skipped by --only or --skip"),
            ({"PS308": skipped("no PS101")}, "PS308 was skipped (no PS101); run the command yourself"),
        ],
        ids=["failed", "not safe", "no command", "unknown", "not asked", "skipped", "not run"],
    )
    def test_missing_guard_blocks_fixes_that_open_roles(self, guards: Mapping[str, Finding], reason: str) -> None:
        aws = Account(rejected={"PutRolePermissionsBoundary"})
        runner = _fix_all(
            {
                "PS115": failed("wrong", resource="p", fix=_PROVIDER),
                "PS304": failed("wrong", resource="p", fix=_ROLE_FOR_ALL),
                "PS306": failed("wrong", resource="r", fix=_CONFIG_ACCESS),
            },
            aws=aws,
            guards=guards,
            skip=["PS308"] if "left out" in str(guards) else [],
        )
        assert aws.called == []
        assert {each.reason for each in runner.steps if each.outcome is Outcome.NOT_RUN} == {reason}

    def test_guard_checks_that_are_not_applicable_do_not_block(self) -> None:
        aws = Account()
        guards = {"PS308": not_applicable("needs a stack")}
        _fix_all({"PS115": failed("w", resource="p", fix=_PROVIDER)}, aws=aws, guards=guards)
        assert aws.called == ["UpdateIdentityPool"]

    def test_missing_guard_does_not_block_other_fixes(self) -> None:
        other = Command()
        _fix_all(
            {"PS203": failed("wrong", resource="r", fix=[other])},
            guards={"PS308": failed("w", resource="r", fix="Ask the owner")},
        )
        assert other.runs == ["run"]
