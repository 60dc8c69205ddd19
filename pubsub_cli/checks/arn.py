"""What the ARNs of the deployment's resources begin with."""

from __future__ import annotations

from pubsub_cli.checks.context import Context
from pubsub_client.outputs import Output


def arn_prefix(context: Context, service: str) -> str:
    """Return ``arn:<partition>:<service>:<region>:<account id>`` of the deployment.

    Raises:
        botocore.exceptions.ClientError: only the operator's own ARN would tell the account, and is not told.
    """
    arn = context.outputs.get(Output.AUTH_ROLE_ARN) or context.aws.sts.get_caller_identity()["Arn"]
    _, partition, _, _, account, _ = arn.split(":", 5)
    return f"arn:{partition}:{service}:{context.output(Output.REGION)}:{account}"
