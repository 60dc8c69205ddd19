"""What a deployment adds to pools and roles that are there already, in words: told before it is deployed."""

from __future__ import annotations

from collections.abc import Iterator

from pubsub_client.outputs import MANAGED_POLICIES, MARKER_ATTRIBUTE

from .settings import Settings


def additions(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each resource that is not the stack's own and gets something."""
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
            "unless it has them. Groups that are made here stay when the stack goes, for the sake of their members."
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
