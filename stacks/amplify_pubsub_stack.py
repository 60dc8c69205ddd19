"""The stack: which parts there are, what each rests on, and what it tells the outside."""

from __future__ import annotations

from typing import Any

from aws_cdk import Annotations, Stack, Tags
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from constructs import Construct

from pubsub_client.outputs import Output

from .additions import additions
from .attaching_switch import AttachingSwitch
from .destroy_guard import DestroyGuard
from .identity_pool import AdoptedIdentityPool, Identities, PubSubIdentityPool
from .iot_endpoint import IotEndpoint
from .iot_policy import IotPolicy
from .leaving import Leaving
from .monitoring import Monitoring
from .outputs import tell
from .role_access import RoleAccess
from .self_attach import SelfAttach
from .settings import Settings
from .sign_in_attachment import SignInAttachment
from .sweep import Sweep
from .user_pool import AdoptedUserPool, PubSubUserPool, Users
from .user_pool_wiring import UserPoolWiring
from .wiring_watch import WiringWatch


class AmplifyPubSubStack(Stack):
    """Everything a signed-in user needs to use Amplify PubSub over AWS IoT."""

    def __init__(self, scope: Construct, settings: Settings, **stack_props: Any) -> None:
        super().__init__(
            scope,
            settings.stack_name,
            description="Amplify PubSub over AWS IoT for every signed-in user",
            termination_protection=settings.termination_protection,
            **stack_props,
        )
        switch = AttachingSwitch(self, "AttachingSwitch")
        leaving = Leaving(self, "Leaving", settings, switch=switch)
        policy = IotPolicy(self, "IotPolicy", settings, leaving=leaving)
        users = self._users(settings)
        identities = self._identities(settings, users, policy, leaving)
        at_sign_in = (
            SignInAttachment(
                self,
                "SignInAttachment",
                settings,
                policy=policy,
                switch=switch,
                users=users,
                internal_client=users.internal_client,
                identities=identities,
            )
            if users.internal_client
            else None
        )
        self_attach = SelfAttach(self, "SelfAttach", settings, policy=policy, switch=switch, identities=identities)
        sweep = Sweep(
            self,
            "Sweep",
            settings,
            policy=policy,
            switch=switch,
            users=users,
            identities=identities,
            sign_in=at_sign_in,
        )
        triggers = at_sign_in.functions_by_trigger if at_sign_in else {}
        adopts = isinstance(users, AdoptedUserPool)
        if triggers or settings.groups or not adopts:  # else an adopted pool is left as it is
            UserPoolWiring(self, "UserPoolWiring", settings, users, triggers=triggers, identities=identities)
        watch = (
            WiringWatch(self, "WiringWatch", settings, users=users, identities=identities, triggers=triggers)
            if adopts and triggers
            else None
        )
        endpoint = IotEndpoint(self, "IotEndpoint", settings)
        Monitoring(
            self,
            "Monitoring",
            settings,
            users=users,
            sign_in=at_sign_in,
            self_attach=self_attach.function,
            sweep=sweep,
            leaving=leaving,
            wiring_watch=watch,
        )
        parts = [each for each in self.node.children if isinstance(each, Construct)]
        DestroyGuard(self, "DestroyGuard", settings, leaving=leaving, guarded=parts)

        chained = settings.adopt.chained_triggers
        tell(
            self,
            settings,
            users=users,
            identities=identities,
            policy=policy,
            endpoint=endpoint,
            self_attach=self_attach,
            sweep=sweep,
            leaving=leaving,
            besides={
                **(at_sign_in.outputs if at_sign_in else {}),
                **({Output.CHAINED_TRIGGERS: ",".join(chained)} if chained else {}),
            },
        )
        self._everywhere(settings)
        for addition in additions(settings):
            Annotations.of(self).add_info(addition)

    def _users(self, settings: Settings) -> Users:
        """Return the user pool: the adopted one, or one that is made."""
        adopt = settings.adopt
        if adopt.user_pool_id is None:
            return PubSubUserPool(self, "Users", settings)
        return AdoptedUserPool(
            self,
            "Users",
            settings,
            user_pool=cognito.UserPool.from_user_pool_id(self, "AdoptedUserPool", adopt.user_pool_id),
            clients=[
                cognito.UserPoolClient.from_user_pool_client_id(self, f"AdoptedClient{number}", client_id)
                for number, client_id in enumerate(adopt.user_pool_client_ids, start=1)
            ],
        )

    def _identities(self, settings: Settings, users: Users, policy: IotPolicy, leaving: Leaving) -> Identities:
        """Return the identity pool: the adopted one, or one that is made."""
        adopt = settings.adopt
        if adopt.identity_pool_id is None or adopt.auth_role_arn is None:
            return PubSubIdentityPool(self, "Identities", settings, users=users, policy=policy, leaving=leaving)
        identities = AdoptedIdentityPool(
            self,
            "Identities",
            settings,
            identity_pool_id=adopt.identity_pool_id,
            auth_role=iam.Role.from_role_arn(self, "AdoptedAuthRole", adopt.auth_role_arn),
            other_roles=[
                iam.Role.from_role_arn(self, f"AdoptedRole{number}", role_arn)
                for number, role_arn in enumerate(adopt.group_role_arns, start=1)
            ],
            users=users,
            policy=policy,
            leaving=leaving,
            other_providers=adopt.other_providers,
        )
        RoleAccess(identities, "RoleAccess", settings, identities.roles)
        return identities

    def _everywhere(self, settings: Settings) -> None:
        """Set what holds for every resource that this stack makes."""
        for key, value in settings.tags.items():
            Tags.of(self).add(key, value)
        if settings.permissions_boundary:
            boundary = iam.ManagedPolicy.from_managed_policy_name(
                self, "AccountBoundary", settings.permissions_boundary
            )
            iam.PermissionsBoundary.of(self).apply(boundary)
