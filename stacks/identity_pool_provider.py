"""The internal app client among the providers of an identity pool that is there already."""

from __future__ import annotations

from aws_cdk import CustomResource
from aws_cdk import aws_iam as iam
from constructs import Construct

from .functions import PubSubFunction
from .identity_pool import Identities
from .resource_provider import CUSTOM_RESOURCE_TIMEOUT, resource_provider
from .settings import Settings
from .user_pool import Users


class IdentityPoolProvider(Construct):
    """Has the identity pool take the tokens of the nested sign-in, for as long as the deployment lives."""

    def __init__(
        self, scope: Construct, construct_id: str, settings: Settings, *, identities: Identities, users: Users
    ) -> None:
        """Make the resource.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            settings: for the logs of its function.
            identities: the identity pool.
            users: has the internal app client.
        """
        super().__init__(scope, construct_id)
        if users.internal_client is None:
            raise ValueError("without a nested sign-in there is no provider to add")
        function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="identity_pool_provider.on_event",
            description="Has the identity pool take the tokens of the nested sign-in's app client",
            timeout=CUSTOM_RESOURCE_TIMEOUT,
        )
        # By the pool: another pool has another of these, and the old one loses the provider afterwards.
        of_pool = Construct(self, f"Of{identities.fingerprint}")
        permission = iam.Policy(
            of_pool,
            "Permission",
            roles=[function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=["cognito-identity:DescribeIdentityPool", "cognito-identity:UpdateIdentityPool"],
                    resources=[identities.arn],
                )
            ],
        )
        provider = CustomResource(
            of_pool,
            "Provider",
            resource_type="Custom::IdentityPoolProvider",
            service_token=resource_provider(self, settings, on_event=function).service_token,
            properties={
                "IdentityPoolId": identities.identity_pool_id,
                "ProviderName": users.user_pool.user_pool_provider_name,
                "ClientId": users.internal_client.user_pool_client_id,
            },
        )
        provider.node.add_dependency(permission)
