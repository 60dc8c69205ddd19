"""`make deploy`: deploys the stack to an AWS account and runs the smoke test."""

from __future__ import annotations

import sys
from pathlib import Path

from pubsub_cli.check_run import check_junit
from pubsub_cli.terminal import check_can_confirm
from tools.cdk_cli import REPOSITORY, cdk_command, run_in_foreground
from tools.target import Target

# A new attachment can take AWS 6 to 8 minutes to act.
_SMOKE_SECONDS = 600


def deploy(
    profile: str | None,
    region: str | None,
    environment: str | None,
    *,
    yes: bool,
    junit: Path | None,
) -> int:
    """Deploy and run the smoke test; return its exit code, or 1 if the deployment failed.

    Without ``yes`` the CDK CLI asks before it widens permissions. The smoke test writes its results to ``junit``.

    Raises:
        PreconditionError: a guard stops it.
        OperationError: AWS refuses what a guard asks.
        SettingsError: a setting is wrong.
        typer.BadParameter: the results cannot be written there.
    """
    check_junit(junit)
    check_can_confirm(yes=yes, alternative="give --yes, with make YES=1")
    target = Target.find(profile, region, environment)
    target.show()
    target.check_bootstrapped()
    approval = ["--require-approval", "never"] if yes else []
    command = cdk_command("deploy", target.stack, *target.context, *approval)
    if run_in_foreground(command, cwd=REPOSITORY, env=target.variables()) != 0:
        return 1
    smoke = ["smoke", "--stack", target.stack, "--region", target.region, "--timeout", str(_SMOKE_SECONDS)]
    whose = ["--profile", target.profile] if target.profile else []
    written = ["--junit", str(junit.absolute())] if junit else []
    command = [sys.executable, "-m", "pubsub_client", *smoke, *whose, *written]
    return run_in_foreground(command, cwd=REPOSITORY, env=target.variables())
