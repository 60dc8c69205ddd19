from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pubsub_client.checks.aws import Aws
from pubsub_client.checks.catalogue import CHECKS
from pubsub_client.checks.check import CommandFailedError, failed
from pubsub_client.checks.runner import Result
from pubsub_client.cli.checking import Checking, Run
from pubsub_client.cli.fixing import fix_what_is_safe

if TYPE_CHECKING:
    import pytest

_IDENTITY_ID = "eu-west-1:01234567-89ab-cdef-0123-456789abcdef"


@dataclass
class Command:
    safe: bool = True
    fails: bool = False
    runs: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"aws iot attach-policy --target {_IDENTITY_ID}"

    def run(self, _aws: Aws) -> None:
        if self.fails:
            raise CommandFailedError(f"no such target {_IDENTITY_ID}")
        self.runs.append("run")


def _fix(*commands: Command, redact: bool = False) -> bool:
    finding = failed("wrong", resource="r", fix=commands)
    run = Run([Result(CHECKS[0], finding, 0.1)], None, (), interrupted=False, seconds=0.1)
    checking = Checking("doctor", "s", "eu-west-1", json=False, junit=None, redact=redact, skip=())
    return fix_what_is_safe(run, Aws(region="eu-west-1"), checking, ask=False)


def test_what_is_not_safe_is_left_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    safe, unsafe = Command(), Command(safe=False)
    assert not _fix(safe, unsafe)
    assert (safe.runs, unsafe.runs) == ([], [])
    assert "PS101  is left to you" in capsys.readouterr().out


def test_a_safe_fix_is_shown_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    command = Command()
    assert _fix(command)
    assert command.runs == ["run"]
    assert _IDENTITY_ID in capsys.readouterr().out


def test_identity_ids_are_masked_in_commands_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    assert not _fix(Command(fails=True), redact=True)
    told = capsys.readouterr().out
    assert "it failed: no such target <identity id>" in told
    assert _IDENTITY_ID not in told
