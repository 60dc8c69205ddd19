"""The stack: which parts there are, what each rests on, and what it tells the outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import CfnOutput, Stack

from pubsub_client.outputs import Output
from stacks.identity_pool import PubSubIdentityPool
from stacks.iot_endpoint import IotEndpoint
from stacks.iot_policy import IotPolicy
from stacks.sign_in_attachment import SignInAttachment
from stacks.user_pool import PubSubUserPool

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.settings import Settings


class AmplifyPubSubStack(Stack):
    """Everything a signed-in user needs to use Amplify PubSub over AWS IoT."""

    def __init__(self, scope: Construct, settings: Settings, **stack_props: Any) -> None:
        super().__init__(
            scope,
            settings.stack_name,
            description="Amplify PubSub over AWS IoT for every signed-in user",
            **stack_props,
        )
        policy = IotPolicy(self, "IotPolicy", settings)
        users = PubSubUserPool(self, "Users", settings)
        identities = PubSubIdentityPool(self, "Identities", settings, users)
        attachment = SignInAttachment(
            self, "SignInAttachment", settings, policy=policy, users=users, identities=identities
        )
        endpoint = IotEndpoint(self, "IotEndpoint", settings)

        outputs = {
            Output.REGION: self.region,
            Output.USER_POOL_ID: users.user_pool.user_pool_id,
            Output.USER_POOL_CLIENT_ID: users.client.user_pool_client_id,
            Output.IDENTITY_POOL_ID: identities.identity_pool_id,
            Output.PUBSUB_ENDPOINT: endpoint.address,
            Output.POLICY_NAME: policy.policy_name,
            Output.AUTH_ROLE_ARN: identities.auth_role.role_arn,
            Output.ACCESS_MODE: settings.access_mode,
            Output.ATTACHMENT_MARKER: attachment.marker,
            Output.POST_AUTHENTICATION_FUNCTION_NAME: attachment.trigger.function_name,
        }
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
