"""The identity pool, and which role its identities get: AuthRole, or that of the user's group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Fn, Stack
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from .signed_in_roles import SignedInRoles

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam

    from .iot_policy import IotPolicy
    from .leaving import Leaving
    from .settings import Settings
    from .user_pool import PubSubUserPool


class PubSubIdentityPool(Construct):
    """An identity pool without guests, for the app clients of the user pool, and the roles of its identities.

    Made of the plain CloudFormation resources: the higher construct always adds a role for guests, and trusts
    ``cognito-identity.amazonaws.com`` in partitions that call it otherwise.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        users: PubSubUserPool,
        policy: IotPolicy,
        leaving: Leaving,
    ) -> None:
        """Make identity pool and roles.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            settings: for its name and its roles.
            users: the user pool that its users sign in to.
            policy: the IoT policy, which leaves the pool's identities when another pool takes its place.
            leaving: does that.
        """
        super().__init__(scope, construct_id)
        provider_name = users.user_pool.user_pool_provider_name
        pool = cognito.CfnIdentityPool(
            self,
            "IdentityPool",
            identity_pool_name=settings.stack_name,
            allow_unauthenticated_identities=False,
            allow_classic_flow=False,
            cognito_identity_providers=[
                cognito.CfnIdentityPool.CognitoIdentityProviderProperty(
                    client_id=client.user_pool_client_id,
                    provider_name=provider_name,
                    server_side_token_check=True,
                )
                for client in users.clients
            ],
        )
        self.identity_pool_id: str = pool.ref
        self.arn = Stack.of(self).format_arn(
            service="cognito-identity", resource="identitypool", resource_name=self.identity_pool_id
        )
        self.fingerprint: str = Stack.of(self).get_logical_id(pool)
        """Names this pool in markers; another pool in its place has another logical id. The pool's own id cannot be
        used: the functions that read markers are made before the pool."""
        # By the pool's logical id: another pool has another of these, and the old one goes with the old pool.
        attachments = Construct(self, f"Of{self.fingerprint}")
        policy.leave_with(attachments, pool).node.add_dependency(leaving.of_identity_pool(attachments, self.arn))
        roles = SignedInRoles(self, "SignedIn", settings, self.identity_pool_id)
        self.auth_role = roles.add("AuthRole", "Users signed in through the identity pool")
        self.group_roles: dict[str, iam.Role] = {
            name: roles.add(f"GroupRole-{name}", f"Users of the group {name}, signed in through the identity pool")
            for name in settings.groups
        }
        """The role of each group, in the order of their precedence."""
        cognito.CfnIdentityPoolRoleAttachment(
            self,
            "Roles",
            identity_pool_id=self.identity_pool_id,
            roles={"authenticated": self.auth_role.role_arn},
            role_mappings=_by_group(provider_name, users.client) if settings.groups else None,
        )


def _by_group(
    provider_name: str, client: cognito.IUserPoolClient
) -> dict[str, cognito.CfnIdentityPoolRoleAttachment.RoleMappingProperty]:
    """Give a user the role that the ID token prefers, which is that of the user's first group; AuthRole without one.

    https://docs.aws.amazon.com/cognito/latest/developerguide/role-based-access-control.html
    """
    mapping = cognito.CfnIdentityPoolRoleAttachment.RoleMappingProperty(
        type="Token",
        ambiguous_role_resolution="AuthenticatedRole",
        identity_provider=Fn.join(":", [provider_name, client.user_pool_client_id]),
    )
    return {"WebClient": mapping}
