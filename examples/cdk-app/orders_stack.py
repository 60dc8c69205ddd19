"""The stack of an application with its own users. Three constructs give them PubSub."""

from __future__ import annotations

from typing import Any

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from constructs import Construct

from amplify_pubsub import PubSubAccess, PubSubAttachment, PubSubPolicy

_SERVICE = "cognito-identity.amazonaws.com"


class OrdersStack(Stack):
    """Each user sees their own orders, and news for all users."""

    def __init__(self, scope: Construct, construct_id: str, **options: Any) -> None:
        super().__init__(scope, construct_id, **options)

        # The application's own pools and role.
        user_pool = cognito.UserPool(self, "Users", removal_policy=RemovalPolicy.DESTROY)
        web = user_pool.add_client("Web", auth_flows=cognito.AuthFlow(user_srp=True))
        identity_pool = cognito.CfnIdentityPool(
            self,
            "Identities",
            allow_unauthenticated_identities=False,
            cognito_identity_providers=[
                cognito.CfnIdentityPool.CognitoIdentityProviderProperty(
                    client_id=web.user_pool_client_id, provider_name=user_pool.user_pool_provider_name
                )
            ],
        )
        signed_in = iam.Role(
            self,
            "SignedIn",
            assumed_by=iam.FederatedPrincipal(
                _SERVICE,
                {
                    "StringEquals": {f"{_SERVICE}:aud": identity_pool.ref},
                    "ForAnyValue:StringLike": {f"{_SERVICE}:amr": "authenticated"},
                },
                "sts:AssumeRoleWithWebIdentity",
            ),
        )
        cognito.CfnIdentityPoolRoleAttachment(
            self, "Roles", identity_pool_id=identity_pool.ref, roles={"authenticated": signed_in.role_arn}
        )

        # PubSub: the IoT policy, what the role allows, and the attachment of the policy to each user's identity.
        policy = PubSubPolicy(self, "PubSubPolicy", access_mode="least-privilege", topics=["news/*"])
        access = PubSubAccess(self, "PubSubAccess", policy=policy, auth_role=signed_in)
        PubSubAttachment(
            self,
            "PubSubAttachment",
            access=access,
            user_pool=user_pool,
            user_pool_clients=[web],
            identity_pool_id=identity_pool.ref,
        )
