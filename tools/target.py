"""The account, region and environment of a deployment, read before anything changes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from botocore.exceptions import NoRegionError
from rich.text import Text

from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.errors import PreconditionError
from pubsub_cli.output import TerminalConsole
from pubsub_client._printable import one_line
from stacks.settings import CONTEXT_KEY, Settings, check_region, read_settings
from tools.cdk_cli import JSII_NODE, REPOSITORY

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# Of CDK's default qualifier. https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html
_BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"


@dataclass(frozen=True)
class Target:
    """An account and region, and the environment's settings.

    Args:
        aws: the operator's clients.
        profile: the profile of the AWS configuration, if one is given.
        region: the region in effect.
        account_id: the account.
        arn: the principal of the credentials.
        settings: the settings to deploy.
    """

    aws: Aws
    profile: str | None
    region: str
    account_id: str
    arn: str
    settings: Settings

    @classmethod
    def find(cls, profile: str | None, region: str | None, environment: str | None) -> Self:
        """Read the settings, and get the account from AWS.

        Raises:
            SettingsError: a setting is wrong, there is no such environment, or the region has no user pools.
            PreconditionError: ``AWS_ENDPOINT_URL`` is set, AWS accepts no credentials, or there is no region.
            OperationError: GetCallerIdentity failed.
        """
        if custom := sorted(name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")):
            raise PreconditionError(
                f"{custom[0]} is set ({os.environ[custom[0]]}), so requests would not reach an AWS account. "
                f"Run it with: env {' '.join(f'-u {name}' for name in custom)} ..."
            )
        context = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
        settings = read_settings(context.get(CONTEXT_KEY), environment)
        aws = Aws(profile, region)
        with aws_errors_explained(aws, "AWS"):
            if aws.region is None:
                raise NoRegionError
            check_region(aws.region)
            caller = aws.sts.get_caller_identity()
        return cls(aws, profile, aws.region, caller["Account"], caller["Arn"], settings)

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.settings.stack_name

    @property
    def context(self) -> list[str]:
        """The CDK options that select the environment."""
        return ["--context", f"environment={self.settings.environment}"]

    def show(self) -> None:
        """Show account, region, environment and stack."""
        rows = {
            "account": f"{self.account_id} as {self.arn}",
            "region": self.region,
            "environment": self.settings.environment,
            "stack": self.stack,
        }
        if endpoint := self.aws.custom_endpoint_url("sts"):
            rows["endpoint"] = endpoint
        console = TerminalConsole()
        for name, value in rows.items():
            console.print(Text(f"  {name:<12} {one_line(value)}"), soft_wrap=True)
        sys.stdout.flush()

    def check_bootstrapped(self) -> None:
        """Check that the account is bootstrapped for CDK.

        Raises:
            PreconditionError: it is not.
            OperationError: the parameter cannot be read.
        """
        ssm = self.aws.ssm
        with aws_errors_explained(self.aws, _BOOTSTRAP_VERSION):
            try:
                ssm.get_parameter(Name=_BOOTSTRAP_VERSION)
            except ssm.exceptions.ParameterNotFound:
                profile = f" --profile {self.profile}" if self.profile else ""
                raise PreconditionError(
                    f"account {self.account_id} is not bootstrapped in {self.region}: "
                    f"npx cdk bootstrap aws://{self.account_id}/{self.region}{profile}"
                ) from None

    def variables(self, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the environment variables with which a child process uses the same account and region.

        The profile is passed as ``AWS_PROFILE``. Access keys in the environment would override it, so they are removed.
        """
        variables = dict(base) | JSII_NODE | {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        if self.profile:
            variables = {name: value for name, value in variables.items() if name not in _KEYS}
            variables["AWS_PROFILE"] = self.profile
        return variables
