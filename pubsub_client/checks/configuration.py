"""Is there a stack, and does it tell everything a front end needs?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pubsub_client.checks.check import Check, Finding, Group, failed, passed
from pubsub_client.checks.stack import missing_outputs, read_outputs
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
        outputs = await asyncio.to_thread(read_outputs, context.aws, context.stack)
        missing = missing_outputs(outputs)
        if missing:
            return failed(
                f"The stack does not have the outputs {', '.join(missing)}, which the client needs.",
                resource=context.stack,
                fix="Deploy it again with this version: cdk deploy",
            )
        context.begin(outputs)
        return passed(outputs[Output.PUBSUB_ENDPOINT])
