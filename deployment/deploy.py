"""Deploys the stack, and proves it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from deployment.cdk_cli import REPOSITORY, cdk_command
from deployment.child import run_in_foreground
from deployment.target import Target
from pubsub_client.cli.asking import check_may_ask
from pubsub_client.cli.checking import check_junit
from pubsub_client.cli.recording import check_record

if TYPE_CHECKING:
    from pathlib import Path

# A new attachment can take AWS 6 to 8 minutes to act.
_SMOKE_SECONDS = 600


def deploy(
    profile: str | None,
    region: str | None,
    environment: str | None,
    *,
    yes: bool,
    junit: Path | None,
    record: Path | None,
) -> int:
    """Deploy and run the smoke test; return its exit code, or 1 if the deployment failed.

    Without ``yes`` the CDK CLI asks before it widens permissions. The smoke test writes its results to ``junit``, and
    what it tells of AWS to ``record``.

    Raises:
        CouldNotRunError: a guard stops it, or the record cannot be written.
        NotDoneError: AWS refuses what a guard asks.
        SettingsError: a setting is wrong.
        typer.BadParameter: the results cannot be written there.
    """
    check_junit(junit)
    check_may_ask(yes=yes, otherwise="give --yes, with make YES=1")
    if record:
        check_record(record)
    target = Target.find(profile, region, environment)
    target.show()
    target.check_bootstrapped()
    approval = ["--require-approval", "never"] if yes else []
    command = cdk_command("deploy", target.stack, *target.context, *approval)
    if run_in_foreground(command, cwd=REPOSITORY, env=target.variables()) != 0:
        return 1
    smoke = ["smoke", "--stack", target.stack, "--region", target.region, "--timeout", str(_SMOKE_SECONDS)]
    whose = ["--profile", target.profile] if target.profile else []
    files = {"--junit": junit, "--record": record}
    written = [part for flag, file in files.items() if file for part in (flag, str(file.absolute()))]
    command = [sys.executable, "-m", "pubsub_client", *smoke, *whose, *written]
    return run_in_foreground(command, cwd=REPOSITORY, env=target.variables())
