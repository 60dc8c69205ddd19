"""The identity pool, created or adopted, and the roles of its signed-in users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import CustomResource, Fn, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from constructs import Construct

from .functions import CUSTOM_RESOURCE_TIMEOUT, SERVICE_TIMEOUT, PubSubFunction, fingerprint
from .iot_policy import IotPolicy
from .roles import SignedInRoles
from .settings import Settings
from .user_pool import UserPoolResources


class IdentityPoolResources(Construct):
    """An identity pool, and the roles that it gives to signed-in users."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.identity_pool_id: str
        self.fingerprint: str
        """Identifies the pool in markers and in logical ids, and is known at synthesis. For a pool of this stack it is
        the logical id, because the functions that read markers are created before the pool."""
        self.auth_role: iam.IRole
        """The role of signed-in users."""
        self.other_roles: Sequence[iam.IRole]
        """Other roles, which the pool gives by group or mapping rule."""
        self.login_providers: Sequence[str] = ()
        """The identity providers whose users get the policy; all providers if empty."""
        self.group_roles: Mapping[str, iam.IRole] = {}
        """The role of each group that the stack creates, in the order of precedence."""

    @property
    def login_environment(self) -> dict[str, str]:
        """The environment variable that names the login providers to a function."""
        return {"LOGIN_PROVIDERS": ",".join(self.login_providers)} if self.login_providers else {}

    @property
    def arn(self) -> str:
        """The identity pool's ARN."""
        return Stack.of(self).format_arn(
            service="cognito-identity", resource="identitypool", resource_name=self.identity_pool_id
        )

    @property
    def roles(self) -> list[iam.IRole]:
        """All roles of signed-in users."""
        return [self.auth_role, *self.other_roles]

    def _detach_before_replacing(self, policy: IotPolicy, created: cognito.CfnIdentityPool | None = None) -> None:
        """Detach the policy from this pool's identities when another pool replaces it.

        The construct is named after the pool, so CloudFormation deletes it when the pool is replaced.
        """
        attachments = Construct(self, f"Of{self.fingerprint}")
        resource = policy.detach_before_replacing(attachments, self.identity_pool_id)
        resource.node.add_dependency(policy.detach_all.allow_identity_pool(attachments, self.arn))
        if created:
            resource.node.add_dependency(created)


class AdoptedIdentityPool(IdentityPoolResources):
    """An existing identity pool with its roles.

    Users of the user pool and of ``other_providers`` get the policy. If there is an internal app client, it becomes a
    provider of the pool. :class:`RoleAccess` gives the roles their permissions.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        identity_pool_id: str,
        auth_role: iam.IRole,
        other_roles: Sequence[iam.IRole] = (),
        user_pool: UserPoolResources,
        policy: IotPolicy,
        other_providers: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        self.identity_pool_id = identity_pool_id
        self.login_providers = [user_pool.pool.user_pool_provider_name, *other_providers]
        self.fingerprint = fingerprint(self, identity_pool_id)
        self.auth_role = auth_role
        self.other_roles = [*other_roles]
        self._detach_before_replacing(policy)
        if user_pool.internal_client:
            self._add_provider(settings, user_pool.pool, user_pool.internal_client)

    def _add_provider(
        self, settings: Settings, user_pool: cognito.IUserPool, internal_client: cognito.IUserPoolClient
    ) -> None:
        """Let the identity pool accept tokens of the internal sign-in until the stack is deleted."""
        scope = Construct(self, "InternalClient")
        function = PubSubFunction(
            scope,
            "Function",
            settings=settings,
            handler="identity_pool_provider.handler",
            description="Adds the internal sign-in's app client to the identity pool's providers",
            timeout=CUSTOM_RESOURCE_TIMEOUT,
        )
        # Named after the pool, so that a replaced pool loses the provider.
        of_pool = Construct(scope, f"Of{self.fingerprint}")
        permission = iam.Policy(
            of_pool,
            "Permission",
            roles=[function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=["cognito-identity:DescribeIdentityPool", "cognito-identity:UpdateIdentityPool"],
                    resources=[self.arn],
                )
            ],
        )
        provider = CustomResource(
            of_pool,
            "Provider",
            resource_type="Custom::IdentityPoolProvider",
            service_token=function.function_arn,
            service_timeout=SERVICE_TIMEOUT,
            properties={
                "IdentityPoolId": self.identity_pool_id,
                "ProviderName": user_pool.user_pool_provider_name,
                "ClientId": internal_client.user_pool_client_id,
            },
        )
        provider.node.add_dependency(permission)


class PubSubIdentityPool(IdentityPoolResources):
    """An identity pool without guests, and the roles of its signed-in users.

    It uses CloudFormation resources. CDK's construct always adds a role for guests, and trusts
    ``cognito-identity.amazonaws.com`` even in partitions where the service has another name.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        user_pool: UserPoolResources,
        policy: IotPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        provider_name = user_pool.pool.user_pool_provider_name
        pool = cognito.CfnIdentityPool(
            self,
            "IdentityPool",
            identity_pool_name=Stack.of(self).stack_name,
            allow_unauthenticated_identities=False,
            allow_classic_flow=False,
            cognito_identity_providers=[
                cognito.CfnIdentityPool.CognitoIdentityProviderProperty(
                    client_id=client.user_pool_client_id,
                    provider_name=provider_name,
                    server_side_token_check=True,
                )
                for client in user_pool.all_clients
            ],
        )
        self.identity_pool_id = pool.ref
        self.fingerprint = Stack.of(self).get_logical_id(pool)
        self._detach_before_replacing(policy, pool)
        roles = SignedInRoles(self, "SignedIn", settings, self.identity_pool_id)
        self.auth_role = roles.add("AuthRole", "Users signed in through the identity pool")
        self.group_roles = {
            name: roles.add(f"GroupRole-{name}", f"Users of the group {name}, signed in through the identity pool")
            for name in settings.groups
        }
        self.other_roles = [*self.group_roles.values()]
        cognito.CfnIdentityPoolRoleAttachment(
            self,
            "Roles",
            identity_pool_id=self.identity_pool_id,
            roles={"authenticated": self.auth_role.role_arn},
            role_mappings=_by_group(provider_name, user_pool.clients) if settings.groups else None,
        )


def _by_group(
    provider_name: str, clients: Sequence[cognito.IUserPoolClient]
) -> dict[str, cognito.CfnIdentityPoolRoleAttachment.RoleMappingProperty]:
    """Give users the preferred role of their ID token, which is their first group's, and AuthRole without a group.

    https://docs.aws.amazon.com/cognito/latest/developerguide/role-based-access-control.html
    """
    return {
        f"Client{number}": cognito.CfnIdentityPoolRoleAttachment.RoleMappingProperty(
            type="Token",
            ambiguous_role_resolution="AuthenticatedRole",
            identity_provider=Fn.join(":", [provider_name, client.user_pool_client_id]),
        )
        for number, client in enumerate(clients, start=1)
    }
