"""The stack: creates or adopts the pools, and composes the constructs around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aws_cdk import Annotations, Stack, Tags
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from constructs import Construct

from pubsub_client.outputs import MANAGED_POLICIES, MARKER_ATTRIBUTE

from .constructs import AttachmentResources, PubSubAccess, PubSubPolicy
from .identity_pool import AdoptedIdentityPool, IdentityPoolResources, PubSubIdentityPool
from .iot_policy import DeletionGuard
from .settings import Settings
from .user_pool import AdoptedUserPool, PubSubUserPool, UserPoolResources


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
        policy = PubSubPolicy(self, "Policy", settings=settings)
        user_pool = self._user_pool(settings)
        identity_pool = self._identity_pool(settings, user_pool, policy)
        AttachmentResources(
            self, "Default", settings, policy=policy.iot_policy, user_pool=user_pool, identity_pool=identity_pool
        )
        DeletionGuard(self, "DeletionGuard", settings, policy=policy.iot_policy)
        for key, value in settings.tags.items():
            Tags.of(self).add(key, value)
        if settings.permissions_boundary:
            boundary = iam.ManagedPolicy.from_managed_policy_name(
                self, "AccountBoundary", settings.permissions_boundary
            )
            iam.PermissionsBoundary.of(self).apply(boundary)
        for note in adoption_notes(settings):
            Annotations.of(self).add_info(note)

    def _user_pool(self, settings: Settings) -> UserPoolResources:
        adopt = settings.adopt
        if adopt.user_pool_id is None:
            return PubSubUserPool(self, "UserPool", settings)
        return AdoptedUserPool(
            self,
            "UserPool",
            settings,
            user_pool=cognito.UserPool.from_user_pool_id(self, "AdoptedUserPool", adopt.user_pool_id),
            clients=[
                cognito.UserPoolClient.from_user_pool_client_id(self, f"AdoptedClient{number}", client_id)
                for number, client_id in enumerate(adopt.user_pool_client_ids, start=1)
            ],
        )

    def _identity_pool(
        self, settings: Settings, user_pool: UserPoolResources, policy: PubSubPolicy
    ) -> IdentityPoolResources:
        adopt = settings.adopt
        if adopt.identity_pool_id is None or adopt.auth_role_arn is None:
            return PubSubIdentityPool(self, "IdentityPool", settings, user_pool=user_pool, policy=policy.iot_policy)
        access = PubSubAccess(
            self,
            "Access",
            policy=policy,
            auth_role=iam.Role.from_role_arn(self, "AdoptedAuthRole", adopt.auth_role_arn),
            other_roles=[
                iam.Role.from_role_arn(self, f"AdoptedRole{number}", role_arn)
                for number, role_arn in enumerate(adopt.group_role_arns, start=1)
            ],
        )
        return AdoptedIdentityPool(
            self,
            "IdentityPool",
            settings,
            identity_pool_id=adopt.identity_pool_id,
            auth_role=access.auth_role,
            other_roles=access.other_roles,
            user_pool=user_pool,
            policy=policy.iot_policy,
            other_providers=adopt.other_providers,
        )


def adoption_notes(settings: Settings) -> Iterator[str]:
    """Yield a note about each adopted resource: what the stack adds to it, and what stays when the stack is deleted."""
    adopt = settings.adopt
    if settings.attachment == "sign-in" and adopt.user_pool_id:
        chained = ", ".join(adopt.chained_triggers)
        yield (
            f"User pool {adopt.user_pool_id} gets an app client for the internal sign-in, and PostAuthentication, "
            "DefineAuthChallenge, CreateAuthChallenge and VerifyAuthChallengeResponse triggers"
            f"{f' (except {chained}, whose own function calls that of this stack)' if chained else ''}. Deleting the "
            f"stack removes them. The pool also gets the attribute custom:{MARKER_ATTRIBUTE} if it lacks it. The "
            "attribute stays, because Cognito cannot remove attributes."
        )
        if adopt.sms_role_arn:
            yield (
                f"The stack may pass the role {adopt.sms_role_arn.rpartition('/')[2]} to Amazon Cognito, because "
                "Cognito requires it for every change of a user pool that sends SMS. The role itself is not changed."
            )
        if adopt.custom_sender_key_arn:
            yield (
                f"The stack may create grants for the key {adopt.custom_sender_key_arn}, because Cognito requires it "
                "for every change of a user pool with custom senders. The key itself is not changed."
            )
        if adopt.identity_pool_id:
            yield (
                f"Identity pool {adopt.identity_pool_id} gets the app client of the internal sign-in as a provider. "
                "Deleting the stack removes it."
            )
    if adopt.user_pool_id and settings.groups:
        yield (
            f"User pool {adopt.user_pool_id} gets the groups {', '.join(settings.groups)} if it lacks them, with roles "
            "of this stack. New groups and their members stay when the stack is deleted."
        )
        for name, role_arn in adopt.replace_group_roles.items():
            if name not in settings.groups:
                continue
            gets = f"Group {name} gets a role and a precedence of this stack"
            if role_arn:
                yield (
                    f"{gets} instead of its role {role_arn.rpartition('/')[2]}. It gets the old role and precedence "
                    "back when you remove it from the settings or delete the stack."
                )
            else:
                yield (
                    f"{gets}. It had no role. It keeps the new one, because Cognito cannot remove a group's role, and "
                    "gets the old precedence back."
                )
    if adopt.auth_role_arn:
        roles = ", ".join(arn.rpartition("/")[2] for arn in (adopt.auth_role_arn, *adopt.group_role_arns))
        policies = {
            "guarded": f"{' and '.join(MANAGED_POLICIES)} if they lack them, and a deny of AWS IoT's control plane",
            "least-privilege": "AWS IoT's data actions on the topics of the settings, and a deny of its control plane",
            "unguarded": f"{' and '.join(MANAGED_POLICIES)} if they lack them",
        }[settings.access_mode]
        yield (
            f"The roles {roles} get {policies}, and permission to call the self-attach route. Deleting the stack "
            "removes what it added."
        )
