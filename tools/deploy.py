"""`make deploy`: deploy the stack to an AWS account, and run the smoke test."""

from __future__ import annotations

import sys
from pathlib import Path

from pubsub_cli.check_run import check_junit
from pubsub_cli.terminal import check_can_confirm
from tools.cdk_cli import REPOSITORY, cdk_command, run_in_foreground
from tools.target import Target

# AWS IoT can take 6 to 8 minutes to apply a new attachment.
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

    Args:
        profile: a profile of the AWS configuration.
        region: the region.
        environment: the environment of the settings.
        yes: add permissions without confirmation by the CDK CLI.
        junit: the file for the smoke test's JUnit report.

    Raises:
        PreconditionError: a precondition is not met.
        OperationError: AWS rejected a call of a precondition.
        SettingsError: a setting is wrong.
        typer.BadParameter: the report's directory does not exist.
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
    command = [sys.executable, "-m", "pubsub_client", "smoke", "--timeout", str(_SMOKE_SECONDS)]
    command += ["--stack", target.stack, "--region", target.region]
    command += ["--profile", target.profile] if target.profile else []
    command += ["--junit", str(junit.absolute())] if junit else []
    return run_in_foreground(command, cwd=REPOSITORY, env=target.variables())
