"""Is the IoT policy attached to an identity, and does the route that a user may call for it attach it?"""

from __future__ import annotations

import asyncio

from pubsub_cli.checks.context import Context
from pubsub_cli.finding import Finding, failed, passed
from pubsub_cli.iam.iot import attached_to
from pubsub_client import CognitoSession
from pubsub_client.exceptions import SessionError
from pubsub_client.outputs import Output


async def attached_policies(context: Context, identity_id: str) -> list[str]:
    """Return the names of the IoT policies attached to an identity."""
    return await asyncio.to_thread(attached_to, context.aws.iot, identity_id)


async def is_attached(context: Context, identity_id: str) -> bool:
    """Tell whether the deployment's policy is attached to an identity."""
    return context.output(Output.POLICY_NAME) in await attached_policies(context, identity_id)


async def attach_by_route(context: Context, session: CognitoSession) -> Finding:
    """Self-attach as a session's user, and find out whether the policy is attached then."""
    try:
        attachment = await context.self_attach(session)
    except SessionError as error:
        logs = "StackResources[?contains(LogicalResourceId,'SelfAttachFunctionLogs')].PhysicalResourceId"
        return failed(
            f"Self-attach does not attach the policy: {error}",
            resource=context.output(Output.SELF_ATTACH_URL),
            fix="The log of its function tells why; this names the log group:\n"
            f'aws cloudformation describe-stack-resources --stack-name {context.stack} --output text --query "{logs}"',
        )
    identity_id = await session.identity_id()
    if await is_attached(context, identity_id):
        return passed(attachment.text)
    policy_name = context.output(Output.POLICY_NAME)
    return failed(
        f"Self-attach answered {attachment.text!r}, but {policy_name} is not attached to the user's identity.",
        resource=identity_id,
        fix=f"aws iot list-attached-policies --target {identity_id}",
    )
