"""The identity pool, and which role its identities get: AuthRole, or that of the user's group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import CustomResource, Fn, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from constructs import Construct

from .fingerprint import fingerprint
from .functions import PubSubFunction
from .iot_policy import IotPolicy
from .leaving import Leaving
from .resource_provider import CUSTOM_RESOURCE_TIMEOUT, resource_provider
from .settings import Settings
from .signed_in_roles import SignedInRoles
from .user_pool import Users


class Identities(Construct):
    """An identity pool, and the roles that its signed-in identities get."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.identity_pool_id: str
        """The identity pool's id."""
        self.fingerprint: str
        """Names this pool in markers, and in the logical ids of what belongs to it: known at synthesis, and another for
        another pool. Of a pool of this stack that is its logical id: the functions that read markers are made before
        the pool, so that its own id cannot be used."""
        self.auth_role: iam.IRole
        """The role of signed-in users."""
        self.other_roles: Sequence[iam.IRole]
        """The roles of those who get another."""
        self.login_providers: Sequence[str] = ()
        """The identity providers whose users get the policy; every one's if empty."""
        self.group_roles: Mapping[str, iam.IRole] = {}
        """The role of each group that the deployment makes, in the order of their precedence."""

    @property
    def login_environment(self) -> dict[str, str]:
        """What names these providers to a function."""
        return {"LOGIN_PROVIDERS": ",".join(self.login_providers)} if self.login_providers else {}

    @property
    def arn(self) -> str:
        """The identity pool's ARN."""
        return Stack.of(self).format_arn(
            service="cognito-identity", resource="identitypool", resource_name=self.identity_pool_id
        )

    @property
    def roles(self) -> list[iam.IRole]:
        """Every role that a signed-in user may get."""
        return [self.auth_role, *self.other_roles]

    def _have_the_policy_leave(
        self, policy: IotPolicy, leaving: Leaving, made: cognito.CfnIdentityPool | None = None
    ) -> None:
        """Have the policy leave this pool's identities when another takes its place.

        The construct is named by the pool: another pool has another of these, and the old one goes with the old pool.
        """
        attachments = Construct(self, f"Of{self.fingerprint}")
        resource = policy.leave_with(attachments, self.identity_pool_id)
        resource.node.add_dependency(leaving.of_identity_pool(attachments, self.arn))
        if made:
            resource.node.add_dependency(made)


class AdoptedIdentityPool(Identities):
    """An identity pool that is there already, with its roles; what these need is :class:`RoleAccess`'s to give.

    Where the internal sign-in has an app client, that becomes one of the pool's providers. Nothing else is changed.
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
        users: Users,
        policy: IotPolicy,
        leaving: Leaving,
        other_providers: Sequence[str] = (),
    ) -> None:
        """Take over pool and roles.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            settings: for the logs of its functions.
            identity_pool_id: the identity pool.
            auth_role: its role of signed-in users.
            other_roles: the other roles that it gives to signed-in users.
            users: the user pool that its users sign in to, which is among its providers.
            policy: the IoT policy, which leaves the pool's identities when another pool takes its place.
            leaving: does that.
            other_providers: identity providers besides the user pool whose users get the policy.
        """
        super().__init__(scope, construct_id)
        self.identity_pool_id = identity_pool_id
        self.login_providers = [users.user_pool.user_pool_provider_name, *other_providers]
        self.fingerprint = fingerprint(self, identity_pool_id)
        self.auth_role = auth_role
        self.other_roles = [*other_roles]
        self._have_the_policy_leave(policy, leaving)
        if users.internal_client:
            IdentityPoolProvider(self, "InternalClient", settings, identities=self, users=users)


class PubSubIdentityPool(Identities):
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
        users: Users,
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
            identity_pool_name=Stack.of(self).stack_name,
            allow_unauthenticated_identities=False,
            allow_classic_flow=False,
            cognito_identity_providers=[
                cognito.CfnIdentityPool.CognitoIdentityProviderProperty(
                    client_id=client.user_pool_client_id,
                    provider_name=provider_name,
                    server_side_token_check=True,
                )
                for client in users.all_clients
            ],
        )
        self.identity_pool_id = pool.ref
        self.fingerprint = Stack.of(self).get_logical_id(pool)
        self._have_the_policy_leave(policy, leaving, pool)
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
            role_mappings=_by_group(provider_name, users.clients) if settings.groups else None,
        )


def _by_group(
    provider_name: str, clients: Sequence[cognito.IUserPoolClient]
) -> dict[str, cognito.CfnIdentityPoolRoleAttachment.RoleMappingProperty]:
    """Give a user the role that the ID token prefers, which is that of the user's first group; AuthRole without one.

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


class IdentityPoolProvider(Construct):
    """Has the identity pool take the tokens of the internal sign-in, for as long as the deployment lives."""

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
            raise ValueError("without a internal sign-in there is no provider to add")
        function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="identity_pool_provider.on_event",
            description="Has the identity pool take the tokens of the internal sign-in's app client",
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
