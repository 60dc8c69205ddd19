"""Is there a stack, and does it tell everything a front end needs?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError

from pubsub_client.checks.check import Check, CouldNotRunError, Finding, Group, failed, passed
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from pubsub_client.checks.context import Context


class OutputsAreComplete(Check):
    """The stack has every output of the contract.

    Without them neither this client nor a front end knows which pools and which endpoint to use. They are missing when
    the stack was deployed by an older version.
    """

    id = "PS101"
    group = Group.CONFIGURATION
    title = "the stack's outputs are complete"

    async def run(self, context: Context) -> Finding:
        """Read the outputs.

        Raises:
            CouldNotRunError: there is no such stack, or AWS cannot be reached.
        """
        try:
            outputs = await asyncio.to_thread(_read_outputs, context)
        except (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError) as error:
            raise CouldNotRunError(f"AWS cannot be reached: {error}") from error
        missing = [name for name in Output if not outputs.get(name)]
        if missing:
            return failed(
                f"The stack does not have the outputs {', '.join(missing)}, which the client needs.",
                resource=context.stack,
                fix="Deploy it again with this version: cdk deploy",
            )
        context.begin(outputs)
        return passed(outputs[Output.PUBSUB_ENDPOINT])


def _read_outputs(context: Context) -> dict[str, str]:
    cloudformation = context.aws.cloudformation
    try:
        stack = cloudformation.describe_stacks(StackName=context.stack)["Stacks"][0]
    except cloudformation.exceptions.ClientError as error:
        # CloudFormation has no error code of its own for a stack that does not exist.
        if "does not exist" not in error.response["Error"].get("Message", ""):
            raise
        raise CouldNotRunError(
            f"there is no stack {context.stack} in {context.aws.region}: deploy it with `cdk deploy`, "
            "or name another with --stack, --environment, --region or --profile"
        ) from None
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
