"""A CDK app with its own pools and roles and our constructs. Tests import it late, because it imports the CDK."""

from __future__ import annotations

from typing import Any

from aws_cdk import App, NestedStack, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from stacks import PubSubAccess, PubSubAttachment, PubSubPolicy


class Application:
    """A stack with pools and two roles, by default with PubSub."""

    def __init__(
        self,
        *,
        app: App | None = None,
        name: str = "Orders",
        pubsub: bool = True,
        attachment: Any = None,
        **policy: Any,
    ) -> None:
        self.stack = Stack(app or App(builtin_cloud_formation_validation=False), name)
        self.user_pool = cognito.UserPool(self.stack, "Users")
        self.client = self.user_pool.add_client("Web", auth_flows=cognito.AuthFlow(user_srp=True))
        provider = cognito.CfnIdentityPool.CognitoIdentityProviderProperty(
            client_id=self.client.user_pool_client_id, provider_name=self.user_pool.user_pool_provider_name
        )
        self.identity_pool = cognito.CfnIdentityPool(
            self.stack, "Pool", allow_unauthenticated_identities=False, cognito_identity_providers=[provider]
        )
        trust = iam.FederatedPrincipal("cognito-identity.amazonaws.com", {}, "sts:AssumeRoleWithWebIdentity")
        self.auth_role = iam.Role(self.stack, "Auth", assumed_by=trust)
        self.admins = iam.Role(self.stack, "Admins", assumed_by=trust)
        if pubsub:
            self._add_pubsub(policy, attachment(self.stack) if attachment else {})

    def _add_pubsub(self, policy: dict[str, Any], attachment: dict[str, Any]) -> None:
        pubsub_policy = PubSubPolicy(self.stack, "Policy", **policy)
        access = PubSubAccess(
            self.stack, "Access", policy=pubsub_policy, auth_role=self.auth_role, other_roles=[self.admins]
        )
        options = {
            "access": access,
            "user_pool": self.user_pool,
            "user_pool_clients": [self.client],
            "identity_pool_id": self.identity_pool.ref,
            **attachment,
        }
        PubSubAttachment(self.stack, "Attachment", **options)

    def template(self) -> dict[str, Any]:
        return dict(Template.from_stack(self.stack).to_json())


def two_stacks() -> list[Application]:
    app = App(builtin_cloud_formation_validation=False)
    return [Application(app=app, name=name) for name in ("Orders", "Chat")]


def with_alarm_topic(**policy: Any) -> Application:
    return Application(**policy, attachment=lambda stack: {"alarm_topic": sns.Topic(stack, "Alarms")})


def role_twice() -> None:
    stack = Stack(App(builtin_cloud_formation_validation=False), "Orders")
    roles = [iam.Role.from_role_name(stack, construct_id, "Customers") for construct_id in ("Auth", "Group")]
    PubSubAccess(stack, "Access", policy=PubSubPolicy(stack, "Policy"), auth_role=roles[0], other_roles=roles[1:])


def nested_in_a_reserved_name() -> None:
    outer = Stack(App(builtin_cloud_formation_validation=False), "aws-orders")
    PubSubPolicy(NestedStack(outer, "Inner"), "Policy", policy_name="orders")
