"""Runs the doctor, and the fixes that it prints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output
from tests.e2e.commands import programs, run_pubsub
from tests.e2e.conftest import PASSWORD
from tests.e2e.doctor.simulated_user import TOPIC, SimulatedUser

BIN = Path(sys.executable).parent
"""Contains `pubsub` and `aws`."""
_ROUND_TRIPS = "PS502"  # takes time and fails nothing
# The lines of a fix that a shell can run; the others are sentences.
_COMMAND = re.compile(r"(?:[A-Z]+=\$\()?(aws [a-z0-9-]+ [a-z0-9-]+|pubsub [a-z]+)\b")


@dataclass(frozen=True)
class DoctorOptions:
    """The options of one run of ``pubsub doctor``, its standard input and additional environment variables."""

    arguments: tuple[str, ...]
    stdin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def plus(self, *arguments: str) -> DoctorOptions:
        return DoctorOptions((*self.arguments, *arguments), self.stdin, self.environment)


def without_user(user: SimulatedUser) -> DoctorOptions:
    """Check the deployment only."""
    return DoctorOptions(("--stack", user.deployment.app.stack_name, "--topic", TOPIC))


def with_password(user: SimulatedUser) -> DoctorOptions:
    options = without_user(user).plus("--user", user.name, "--password-stdin")
    return DoctorOptions(options.arguments, stdin=f"{PASSWORD}\n")


def with_name(user: SimulatedUser) -> DoctorOptions:
    return without_user(user).plus("--user", user.name)


def with_identity(user: SimulatedUser) -> DoctorOptions:
    return without_user(user).plus("--identity-id", user.identity_id)


def with_token(user: SimulatedUser) -> DoctorOptions:
    return without_user(user).plus(*token_option(user))


def with_ids(user: SimulatedUser, **replaced: str) -> DoctorOptions:
    """Give the ids of the deployment instead of its stack, some of them replaced."""
    outputs = user.deployment.outputs
    ids = {
        "region": outputs[Output.REGION],
        "user_pool_id": outputs[Output.USER_POOL_ID],
        "user_pool_client_id": outputs[Output.USER_POOL_CLIENT_ID],
        "identity_pool_id": outputs[Output.IDENTITY_POOL_ID],
        "endpoint": outputs[Output.PUBSUB_ENDPOINT],
        "policy_name": outputs[Output.POLICY_NAME],
        **replaced,
    }
    options = [word for name, value in ids.items() for word in (f"--{name.replace('_', '-')}", value)]
    return DoctorOptions((*options, *token_option(user), "--topic", TOPIC))


def token_option(user: SimulatedUser) -> tuple[str, str]:
    file = user.directory / f"{uuid.uuid4().hex}.jwt"
    file.write_text(user.tokens["IdToken"])
    return ("--id-token", str(file))


@dataclass(frozen=True)
class Report:
    """The result of one run."""

    exit_code: int
    checks: list[dict[str, Any]]

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The checks that failed, warned or are unknown."""
        return [each for each in self.checks if each["status"] in ("failed", "warning", "unknown")]

    @property
    def texts(self) -> list[str]:
        """The findings as text, for the messages of failed tests."""
        return [f"{each['id']} {each['status']}: {each['cause']}\n{each['fix']}" for each in self.findings]

    @property
    def passed(self) -> set[str]:
        return {each["id"] for each in self.checks if each["status"] == "passed"}

    def check(self, check_id: str) -> dict[str, Any]:
        (found,) = (each for each in self.checks if each["id"] == check_id)
        return found


def run_doctor(cloud: LocalCloud, options: DoctorOptions, variables: Mapping[str, str] | None = None) -> Report:
    """Run ``pubsub doctor --json``, with other environment variables than the cloud's if they are given."""
    arguments = ["doctor", "--json", *options.arguments, "--skip", _ROUND_TRIPS]
    environment = {**(cloud.environment() if variables is None else variables), **options.environment}
    if "PYTHONPATH" in options.environment:  # changes the Python process from its start
        done = _run([str(BIN / "pubsub"), *arguments], environment, options.stdin)
    else:
        done = run_pubsub(arguments, environment, options.stdin)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads(done.stdout)
    assert document["summary"]["exit_code"] == done.returncode
    return Report(done.returncode, document["checks"])


def commands_of(fix: str) -> tuple[str, ...]:
    """Return the commands of a fix, without their options."""
    return tuple(command[1] for line in fix.splitlines() if (command := _COMMAND.match(line)))


def run_fix(cloud: LocalCloud, fix: str, stdin: str = "") -> None:
    """Run the commands of a fix in a shell, exactly as printed."""
    lines = [line for line in fix.splitlines() if _COMMAND.match(line)]
    with programs() as functions:
        done = _run(["bash", "-euc", "\n".join([functions, *lines])], cloud.environment(), stdin)
    assert done.returncode == 0, f"{lines}\n{done.stdout}{done.stderr}"


def _run(command: list[str], environment: Mapping[str, str], stdin: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, timeout=120, check=False
    )
