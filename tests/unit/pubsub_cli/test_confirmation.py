"""Commands that remove access or cost money change nothing without a confirmation."""

from __future__ import annotations

import io
import sys

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app
from pubsub_cli.errors import PreconditionError
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.executions import StateMachine
from pubsub_cli.operations.identity import Subject
from pubsub_cli.terminal import check_can_confirm, confirm
from pubsub_client.outputs import Output

_OUTPUTS: dict[str, str] = {
    Output.POLICY_NAME: "myIoTPolicy",
    Output.POST_AUTHENTICATION_FUNCTION_NAME: "trigger",
    Output.DETACH_ALL_STATE_MACHINE_ARN: "arn:detach-all",
    Output.SWEEP_STATE_MACHINE_ARN: "arn:sweep",
}


@pytest.mark.parametrize(
    ("command", "question", "result"),
    [
        (
            ["detach", "--identity-id", "eu-west-1:1"],
            "This detaches myIoTPolicy from identity eu-west-1:1. The user cannot use AWS IoT until the next sign-in "
            "or self-attach.\nDetach? [y/N]",
            "no policy was detached",
        ),
        (["detach", "--all"], "This detaches myIoTPolicy from every identity, and pauses", "no policy was detached"),
        (["sweep", "--users"], "AWS bills each of them as a monthly active user.\nAttach", "no sweep was started"),
    ],
    ids=["detach", "detach --all", "sweep --users"],
)
@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "nothing", "end of input"])
def test_command_changes_nothing_unless_confirmed(
    command: list[str], question: str, result: str, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("changed without confirmation")

    for name in ("detach", "sweep"):
        monkeypatch.setattr(f"pubsub_cli.commands.{name}.check_can_confirm", lambda **_: None)
    monkeypatch.setattr(Deployment, "find", lambda aws, stack: Deployment(aws, stack, _OUTPUTS))
    monkeypatch.setattr("pubsub_cli.commands.identity.find_subject", lambda *_: Subject("eu-west-1:1", None))
    monkeypatch.setattr(StateMachine, "running", lambda _: None)
    monkeypatch.setattr(StateMachine, "start", fail)
    monkeypatch.setattr("pubsub_cli.commands.detach.detach_policy", fail)
    done = CliRunner().invoke(app, [*command, "--region", "eu-west-1"], input=answer)
    assert isinstance(done.exception, PreconditionError)
    assert str(done.exception) == result
    assert question in done.stdout


@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_confirm_accepts_yes(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    assert confirm("Detach?", io.StringIO())


@pytest.mark.parametrize(("terminal", "ci", "allowed"), [(True, "", True), (True, "1", False), (False, "", False)])
def test_prompt_needs_a_terminal_outside_ci(
    terminal: bool, ci: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    for name in ("stdin", "stdout"):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda: terminal)
        monkeypatch.setattr(sys, name, stream)
    check_can_confirm(yes=True)
    if allowed:
        check_can_confirm(yes=False)
    else:
        with pytest.raises(PreconditionError, match="give --yes"):
            check_can_confirm(yes=False)
