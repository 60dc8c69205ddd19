"""The stack: creates or adopts the pools, and composes the constructs around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aws_cdk import Annotations, Stack, Tags
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from constructs import Construct

from pubsub_client.outputs import MANAGED_POLICIES, MARKER_ATTRIBUTE

from .constructs import Attachment, PubSubAccess, PubSubPolicy
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
        Attachment(self, "Default", settings, policy=policy, user_pool=user_pool, identity_pool=identity_pool)
        parts = [each for each in self.node.children if isinstance(each, Construct)]
        DeletionGuard(
            self,
            "DeletionGuard",
            settings,
            policy=policy.iot_policy,
            detach_all=policy.detach_all,
            guarded=parts,
        )
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
            return PubSubIdentityPool(
                self,
                "IdentityPool",
                settings,
                user_pool=user_pool,
                policy=policy.iot_policy,
                detach_all=policy.detach_all,
            )
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
            detach_all=policy.detach_all,
            other_providers=adopt.other_providers,
        )


def adoption_notes(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each adopted resource, about what the deployment adds to it."""
    adopt = settings.adopt
    if settings.attachment == "sign-in" and adopt.user_pool_id:
        chained = ", ".join(adopt.chained_triggers)
        yield (
            f"User pool {adopt.user_pool_id} gets an app client for the internal sign-in and the PostAuthentication, "
            "DefineAuthChallenge, CreateAuthChallenge and VerifyAuthChallengeResponse triggers"
            f"{f' (but {chained}, whose own function calls ours)' if chained else ''}. They go with the stack. It also "
            f"gets the attribute custom:{MARKER_ATTRIBUTE} unless it has it, which stays: Cognito cannot remove one."
        )
        if adopt.sms_role_arn:
            yield (
                f"The stack may pass the role {adopt.sms_role_arn.rpartition('/')[2]} to Amazon Cognito, which asks "
                "for that whenever a user pool that sends SMS is changed. The role itself stays as it is."
            )
        if adopt.custom_sender_key_arn:
            yield (
                f"The stack may create grants of the key {adopt.custom_sender_key_arn}, which Amazon Cognito asks for "
                "whenever a user pool with custom senders is changed. The key itself stays as it is."
            )
        if adopt.identity_pool_id:
            yield (
                f"Identity pool {adopt.identity_pool_id} gets that app client among its providers. It goes with the "
                "stack."
            )
    if adopt.user_pool_id and settings.groups:
        yield (
            f"User pool {adopt.user_pool_id} gets the groups {', '.join(settings.groups)} with roles of this stack, "
            "unless it has them. New groups stay with their members when the stack is deleted."
        )
        replaced = {name: arn for name, arn in adopt.replace_group_roles.items() if name in settings.groups}
        for name, role_arn in replaced.items():
            former = f"its role {role_arn.rpartition('/')[2]}" if role_arn else "no role"
            returns = (
                "Role and precedence are put back when the group leaves the settings, and when the stack goes."
                if role_arn
                else "It keeps a role for good, because Cognito cannot take one away; the precedence is put back."
            )
            yield f"The group {name} gets a role and a precedence of this stack in place of {former}. {returns}"
    if adopt.auth_role_arn:
        roles = ", ".join(arn.rpartition("/")[2] for arn in (adopt.auth_role_arn, *adopt.group_role_arns))
        policies = {
            "guarded": f"{' and '.join(MANAGED_POLICIES)} unless they have them, and a deny of AWS IoT's control plane",
            "least-privilege": "AWS IoT's data actions on the topics of the settings, and a deny of its control plane",
            "unguarded": f"{' and '.join(MANAGED_POLICIES)} unless they have them",
        }[settings.access_mode]
        yield (
            f"The roles {roles} get {policies}, and may call the self-attach route. What they get here goes with the "
            "stack."
        )
