"""What a stack with PubSub tells the outside: what front ends, the client and ``pubsub`` read."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from pubsub_client.outputs import Output

from .identity_pool import Identities
from .iot_endpoint import IotEndpoint
from .iot_policy import IotPolicy
from .leaving import Leaving
from .self_attach import SelfAttach
from .settings import Settings
from .sweep import Sweep
from .user_pool import Users


def tell(
    scope: Construct,
    settings: Settings,
    *,
    users: Users,
    identities: Identities,
    policy: IotPolicy,
    endpoint: IotEndpoint,
    self_attach: SelfAttach,
    sweep: Sweep,
    leaving: Leaving,
    besides: Mapping[Output, str] | None = None,
) -> None:
    """Make the outputs of the scope's stack, under exactly these names wherever in the stack the scope is.

    Args:
        scope: the construct they belong to.
        settings: access mode and shared topics.
        users: the user pool and its app client.
        identities: the identity pool and AuthRole.
        policy: the IoT policy.
        endpoint: AWS IoT's.
        self_attach: the route.
        sweep: its state machine.
        leaving: its state machine.
        besides: what not every stack with PubSub has.
    """
    outputs = {
        Output.REGION: Stack.of(scope).region,
        Output.USER_POOL_ID: users.user_pool.user_pool_id,
        Output.USER_POOL_CLIENT_ID: users.client.user_pool_client_id,
        Output.IDENTITY_POOL_ID: identities.identity_pool_id,
        Output.PUBSUB_ENDPOINT: endpoint.address,
        Output.POLICY_NAME: policy.policy_name,
        Output.AUTH_ROLE_ARN: identities.auth_role.role_arn,
        Output.ACCESS_MODE: settings.access_mode,
        Output.SELF_ATTACH_URL: self_attach.url,
        Output.SWEEP_STATE_MACHINE_ARN: sweep.machine.arn,
        Output.DETACH_ALL_STATE_MACHINE_ARN: leaving.machine.arn,
        **({Output.TOPICS: ",".join(settings.topics)} if settings.topics else {}),
        **(besides or {}),
    }
    for name, value in outputs.items():
        CfnOutput(scope, name, value=value).override_logical_id(name)
