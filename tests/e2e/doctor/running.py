"""Runs the doctor, and what it prints to mend things, as people do: in a process, in a shell."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_cloud.process import LocalCloud
from tests.e2e.commands import run_pubsub
from tests.e2e.doctor.asked import Asked
from tests.e2e.shell import programs

BIN = Path(sys.executable).parent
"""Where `pubsub` and `aws` are."""
ROUND_TRIPS = "PS502"
"""Takes its time, tells, and judges nothing."""
# Lines of a fix that a shell can run; the others are words for people.
_COMMAND = re.compile(r"(?:[A-Z]+=\$\()?(aws [a-z0-9-]+ [a-z0-9-]+|pubsub [a-z]+)\b")


@dataclass(frozen=True)
class Report:
    """What the doctor says."""

    exit_code: int
    checks: list[dict[str, Any]]
    stderr: str

    @property
    def bad(self) -> list[dict[str, Any]]:
        """The checks that found something, or could not be told."""
        return [each for each in self.checks if each["status"] in ("failed", "warning", "unknown")]

    @property
    def told(self) -> list[str]:
        """The same for people who read a test's failure."""
        return [f"{each['id']} {each['status']}: {each['cause']}\n{each['fix']}" for each in self.bad]

    @property
    def passed(self) -> set[str]:
        """The ids of the checks that passed."""
        return {each["id"] for each in self.checks if each["status"] == "passed"}

    def check(self, check_id: str) -> dict[str, Any]:
        (found,) = (each for each in self.checks if each["id"] == check_id)
        return found


def run_doctor(cloud: LocalCloud, asked: Asked, variables: Mapping[str, str] | None = None) -> Report:
    """Run ``pubsub doctor --json`` and read what it says."""
    arguments = ["doctor", "--json", *asked.options, "--skip", ROUND_TRIPS]
    environment = {**(cloud.environment() if variables is None else variables), **asked.environment}
    run = _run_afresh if "PYTHONPATH" in asked.environment else run_pubsub
    done = run(arguments, environment, asked.stdin)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads(done.stdout)
    assert document["summary"]["exit_code"] == done.returncode
    return Report(done.returncode, document["checks"], done.stderr)


def _run_afresh(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: str
) -> subprocess.CompletedProcess[str]:
    """Run it in a Python of its own, which its environment changes from the start."""
    return subprocess.run(
        [BIN / "pubsub", *arguments],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def commands(fix: str) -> tuple[str, ...]:
    """Return the commands of a fix, without their options."""
    return tuple(command[1] for line in fix.splitlines() if (command := _COMMAND.match(line)))


def run_fix(cloud: LocalCloud, fix: str, stdin: str = "") -> None:
    """Run the commands of a fix as they stand in a shell."""
    lines = [line for line in fix.splitlines() if _COMMAND.match(line)]
    with programs() as functions:
        done = subprocess.run(
            ["bash", "-euc", "\n".join([functions, *lines])],  # noqa: S607 - as in anybody's shell
            env=cloud.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, f"{lines}\n{done.stdout}{done.stderr}"
