"""The identity pool, the role of signed-in users (AuthRole), and the boundary around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from constructs import Construct

from pubsub_client.outputs import MANAGED_POLICIES
from stacks.acknowledgements import acknowledge

if TYPE_CHECKING:
    from stacks.settings import Settings
    from stacks.user_pool import PubSubUserPool

_DATA_ACTIONS = ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive", "iot:RetainPublish"]
_SHADOW_ACTIONS = [
    "iot:GetThingShadow",
    "iot:UpdateThingShadow",
    "iot:DeleteThingShadow",
    "iot:ListNamedShadowsForThing",
]


class PubSubIdentityPool(Construct):
    """An identity pool without guests, for both app clients of the user pool, and its authenticated role.

    Made of the plain CloudFormation resources: the higher construct always adds a role for guests, and trusts
    ``cognito-identity.amazonaws.com`` in partitions that call it otherwise.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings, users: PubSubUserPool) -> None:
        super().__init__(scope, construct_id)
        pool = cognito.CfnIdentityPool(
            self,
            "IdentityPool",
            identity_pool_name=settings.stack_name,
            allow_unauthenticated_identities=False,
            allow_classic_flow=False,
            cognito_identity_providers=[
                cognito.CfnIdentityPool.CognitoIdentityProviderProperty(
                    client_id=client.user_pool_client_id,
                    provider_name=users.user_pool.user_pool_provider_name,
                    server_side_token_check=True,
                )
                for client in (users.client, users.internal_client)
            ],
        )
        self.identity_pool_id: str = pool.ref
        self.fingerprint: str = Stack.of(self).get_logical_id(pool)
        """Names this pool in markers; another pool in its place has another logical id. The pool's own id cannot be
        used: the functions that read markers are made before the pool."""
        self.auth_role = _auth_role(self, settings, self.identity_pool_id)
        cognito.CfnIdentityPoolRoleAttachment(
            self,
            "Roles",
            identity_pool_id=self.identity_pool_id,
            roles={"authenticated": self.auth_role.role_arn},
        )


def _auth_role(scope: Construct, settings: Settings, identity_pool_id: str) -> iam.Role:
    service = "cognito-identity-us-gov.amazonaws.com" if _is_gov_cloud(scope) else "cognito-identity.amazonaws.com"
    role = iam.Role(
        scope,
        "AuthRole",
        description="Users signed in through the identity pool",
        assumed_by=iam.FederatedPrincipal(
            service,
            {
                "StringEquals": {f"{service}:aud": identity_pool_id},
                "ForAnyValue:StringLike": {f"{service}:amr": "authenticated"},
            },
            "sts:AssumeRoleWithWebIdentity",
        ),
        managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(name) for name in MANAGED_POLICIES],
        permissions_boundary=_boundary(scope, settings),
    )
    acknowledge(
        role,
        {
            f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{name}]": (
                "Amplify's guide asks for this policy; the permissions boundary limits what it grants."
            )
            for name in MANAGED_POLICIES
        },
    )
    return role


def _is_gov_cloud(scope: Construct) -> bool:
    return Stack.of(scope).region.startswith("us-gov-")


def _boundary(scope: Construct, settings: Settings) -> iam.ManagedPolicy:
    """The most a signed-in user may ever do in AWS IoT: the data actions.

    AWSIoTConfigAccess would let any signed-in user rewrite the IoT policy for everyone, make certificates and rules,
    and AWS adds actions to it. A boundary fails closed where a list of denied actions would not.
    """
    data = _DATA_ACTIONS + (_SHADOW_ACTIONS if settings.reserved_topics else [])
    statements = [
        iam.PolicyStatement(sid="AnythingButIot", not_actions=["iot:*"], resources=["*"]),
        iam.PolicyStatement(sid="IotData", actions=data, resources=["*"]),
    ]
    if not settings.reserved_topics:
        stack = Stack.of(scope)
        reserved = [
            stack.format_arn(
                service="iot", resource=kind, resource_name="$aws/*", arn_format=ArnFormat.SLASH_RESOURCE_NAME
            )
            for kind in ("topic", "topicfilter")
        ]
        statements.append(
            iam.PolicyStatement(
                sid="NoReservedTopics",
                effect=iam.Effect.DENY,
                actions=["iot:Publish", "iot:Subscribe", "iot:Receive", "iot:RetainPublish"],
                resources=reserved,
            )
        )
    boundary = iam.ManagedPolicy(
        scope, "Boundary", description="Signed-in users: AWS IoT data actions only", statements=statements
    )
    acknowledge(
        boundary,
        {
            "CloudFormation-Validate::W2512": "What is not AWS IoT is left to the role's own policies.",
            # The rule itself fails on resources made of intrinsic functions, and is then named without a finding.
            "AwsSolutions-IAM5": (
                "A boundary grants nothing: it says which of the role's grants count, on whatever these name."
            ),
        },
    )
    return boundary
