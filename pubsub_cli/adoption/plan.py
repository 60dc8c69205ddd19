"""Plans an adoption: settings, changes, notes and blockers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pubsub_cli.adoption.discovery import Adopted
from pubsub_cli.adoption.inspection import IdentityStatistics, Inspection, RoleState, policy_size
from pubsub_cli.finding import Finding, failed
from pubsub_cli.iam.roles import role_name
from pubsub_client.outputs import (
    LEAST_PRIVILEGE,
    MANAGED_POLICIES,
    MARKER_ATTRIBUTE,
    TRIGGERS,
    AccessMode,
    AttachmentMode,
)
from pubsub_client.policy_document import identity_service, policy_document

USUAL_POLICY_NAME = "myIoTPolicy"
"""The default name of the IoT policy."""
OTHER_POLICY_NAME = "myIoTPolicy-pubsub"
"""The name if an IoT policy with the default name already exists."""

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_MAX_MANAGED_POLICIES = 10
_MAX_INLINE_CHARACTERS = 10240
_ROUTE_CHARACTERS = 200
"""The size of the inline policy that allows the self-attach route, rounded up."""


@dataclass(frozen=True)
class AdoptionOptions:
    """The options of an adoption.

    Args:
        attachment: how users are attached.
        access_mode: the permissions of the roles of signed-in users.
        topics: the topic patterns; None for the mode's default.
        chained: triggers whose existing function calls the stack's.
        groups: groups of the user pool that will get roles of the stack.
    """

    attachment: AttachmentMode = "self-attach"
    access_mode: AccessMode = "guarded"
    topics: tuple[str, ...] | None = None
    chained: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def at_sign_in(self) -> bool:
        """Whether the trigger attaches the policy."""
        return self.attachment == "sign-in"

    @property
    def guarded(self) -> bool:
        """Whether signed-in users are denied AWS IoT's control plane."""
        return self.access_mode != "unguarded"

    @property
    def own_topics(self) -> bool:
        """Whether the topics and client ids of each user begin with the identity id."""
        return self.access_mode == LEAST_PRIVILEGE


@dataclass(frozen=True)
class Change:
    """A change of one resource by the deployment."""

    resource: str
    change: str


@dataclass(frozen=True)
class Plan:
    """The settings, and the effects of deploying them."""

    settings: dict[str, Any]
    changes: list[Change]
    notes: list[str]
    blockers: list[Finding]


def plan(adopted: Adopted, now: Inspection, options: AdoptionOptions) -> Plan:
    """Return the plan, without AWS calls."""
    policy_name = OTHER_POLICY_NAME if USUAL_POLICY_NAME in now.policy_names else USUAL_POLICY_NAME
    return Plan(
        _settings(adopted, now, options, policy_name),
        [*_changes(adopted, now, options, policy_name)],
        [*_notes(now, options, policy_name)],
        [*_blockers(adopted, now, options, policy_name)],
    )


def _settings(adopted: Adopted, now: Inspection, options: AdoptionOptions, policy_name: str) -> dict[str, Any]:
    adopt: dict[str, Any] = {
        "userPoolId": adopted.user_pool_id,
        "userPoolClientIds": [*adopted.user_pool_client_ids],
        "identityPoolId": adopted.identity_pool_id,
        "authRoleArn": adopted.auth_role_arn,
        "groupRoleArns": [*adopted.group_role_arns],
        "chainedTriggers": [*options.chained],
        "smsRoleArn": now.sms_role_arn if options.at_sign_in else None,
        "customSenderKeyArn": now.custom_sender_key_arn if options.at_sign_in else None,
        "replaceGroupRoles": {name: now.groups[name] for name in options.groups if name in now.groups},
    }
    settings: dict[str, Any] = {"adopt": {key: value for key, value in adopt.items() if value}}
    if options.at_sign_in:
        settings["attachment"] = options.attachment
    if options.groups:
        settings["groups"] = [*options.groups]
    if options.access_mode != "guarded":
        settings["accessMode"] = options.access_mode
    if options.topics:
        settings["topics"] = [*options.topics]
    if policy_name != USUAL_POLICY_NAME:
        settings["policyName"] = policy_name
    return settings


def _changes(adopted: Adopted, now: Inspection, options: AdoptionOptions, policy_name: str) -> Iterator[Change]:
    pool = f"user pool {adopted.user_pool_id}"
    if options.at_sign_in:
        if not now.has_marker:
            yield Change(pool, f"gets the attribute custom:{MARKER_ATTRIBUTE}, which Cognito can never remove")
        yield Change(pool, "gets an app client for the internal sign-in")
        for trigger in TRIGGERS:
            kept = f"keeps {now.triggers.get(trigger)}, which must call the stack's function"
            yield Change(
                f"{pool}, trigger {trigger}", kept if trigger in options.chained else "calls the stack's function"
            )
        if now.sms_role_arn:
            yield Change(
                f"role {role_name(now.sms_role_arn)}",
                "does not change; the stack may pass it to Amazon Cognito (iam:PassRole), as a pool with SMS requires",
            )
        if now.custom_sender_key_arn:
            yield Change(
                f"key {now.custom_sender_key_arn}",
                "does not change; the stack may create grants for it (kms:CreateGrant), as custom senders require",
            )
    else:
        yield Change(pool, "gets the groups below, and no other change" if options.groups else "does not change")
    for name in options.groups:
        yield Change(f"group {name}", _group_gets(now, name))
    if adopted.identity_pool_id is None:
        yield Change("identity pool", "is created for these app clients, with its own roles")
        yield Change("identities", f"users get identities there, with {policy_name} attached: {_access(options)}")
        return
    identity_pool = f"identity pool {adopted.identity_pool_id}"
    accepts = "also accepts the tokens of that app client"
    yield Change(identity_pool, accepts if options.at_sign_in else "does not change")
    for role in now.roles:
        yield Change(f"role {role.name}", _role_gets(role, options))
    if now.identities:
        yield Change("identities", f"{_how_many(now.identities)} {_how(options)} {policy_name}: {_access(options)}")
        yield Change("guests", "get no access: IoT policies are attached only to signed-in identities")


def _group_gets(now: Inspection, name: str) -> str:
    if name not in now.groups:
        return "is created with its own role, and remains when the stack is deleted"
    role_arn = now.groups[name]
    if role_arn:
        return (
            f"gets a role and a precedence of the stack instead of {role_name(role_arn)}; both are restored when the "
            "stack is deleted"
        )
    return "gets a role and a precedence of the stack; Cognito can never remove the role of a group"


def _role_gets(role: RoleState, options: AdoptionOptions) -> str:
    parts = []
    if options.own_topics:
        parts.append("gets AWS IoT's data actions on shared topics and on each user's own topics")
    elif missing := _missing(role):
        parts.append(f"gets {' and '.join(missing)}")
    else:
        parts.append(f"already has {' and '.join(MANAGED_POLICIES)}")
    if options.guarded:
        parts.append("is denied AWS IoT's control plane")
    return f"{', '.join(parts)}, and may call the self-attach route"


def _missing(role: RoleState) -> list[str]:
    return [name for name in MANAGED_POLICIES if name not in role.attached]


def _how_many(identities: IdentityStatistics) -> str:
    return f"{'' if identities.complete else 'more than '}{identities.signed_in} signed-in users"


def _how(options: AdoptionOptions) -> str:
    sources = "the next sign-in, self-attach or the sweep" if options.at_sign_in else "self-attach or the sweep"
    return f"get, by {sources},"


def _access(options: AdoptionOptions) -> str:
    if options.own_topics:
        shared = f"; everyone gets access to {', '.join(options.topics)}" if options.topics else ""
        return f"connect, and use topics under their own identity id{shared}"
    topics = ", ".join(options.topics or ("*",))
    more = "" if options.guarded else "; AWSIoTConfigAccess also lets them change AWS IoT, including this policy"
    return f"connect, publish, subscribe and receive on {topics}{more}"


def _notes(now: Inspection, options: AdoptionOptions, policy_name: str) -> Iterator[str]:
    if policy_name != USUAL_POLICY_NAME:
        yield (
            f"An IoT policy {USUAL_POLICY_NAME} already exists, so the stack's policy is named {policy_name}. "
            f"Identities with {USUAL_POLICY_NAME} keep its permissions until you detach it."
        )
    if now.identities and now.identities.policies:
        policies = ", ".join(f"{name} ({count})" for name, count in sorted(now.identities.policies.items()))
        yield (
            f"A sample of {now.identities.sample} identities already has these IoT policies: {policies}. "
            "Their permissions remain in effect."
        )
    if options.guarded and (roles := [role.name for role in now.roles if role.changes_iot]):
        yield (
            f"{', '.join(roles)} allows signed-in users to attach IoT policies. The stack denies that. In the front "
            "end, replace AttachPolicy with self-attach, or remove it (docs/how-to/adopt.md#the-front-end)."
        )
    mfa = now.user_pool.get("MfaConfiguration", "OFF")
    if options.at_sign_in and mfa != "OFF":
        users = "All users have MFA" if mfa == "ON" else "Users can have MFA"
        yield f"{users}. Self-attach or the sweep attaches users with MFA, not the sign-in."
    identity_pool = now.identity_pool or {}
    if identity_pool.get("AllowUnauthenticatedIdentities"):
        yield "The identity pool allows guests, so PS311 of the smoke test fails. To accept that: --skip PS311."
    if identity_pool.get("AllowClassicFlow"):
        yield "The identity pool allows the classic flow, in which users choose a role. Disable it unless you need it."
    providers = identity_pool.get("CognitoIdentityProviders", [])
    if others := _other_providers(identity_pool, str(now.user_pool["Id"])):
        yield (
            f"The identity pool has other identity providers: {', '.join(others)}. Self-attach rejects their users, "
            "and the sweep skips them. To include a provider, add it to the setting adopt.otherProviders."
        )
    if any(not each.get("ServerSideTokenCheck") for each in providers):
        yield (
            "The identity pool does not check tokens with the user pool (ServerSideTokenCheck). So users who are "
            "signed out or disabled get AWS credentials until the ID token expires."
        )


def _other_providers(identity_pool: Mapping[str, Any], user_pool_id: str) -> list[str]:
    """Return the other identity providers, named as in an identity's logins."""
    user_pools = {each["ProviderName"] for each in identity_pool.get("CognitoIdentityProviders", [])}
    return sorted(
        {
            *(each for each in user_pools if not each.endswith(f"/{user_pool_id}")),
            *identity_pool.get("SupportedLoginProviders", {}),
            *identity_pool.get("SamlProviderARNs", []),
            *(arn.partition(":oidc-provider/")[2] for arn in identity_pool.get("OpenIdConnectProviderARNs", [])),
            *filter(None, [identity_pool.get("DeveloperProviderName")]),
        }
    )


def _blockers(adopted: Adopted, now: Inspection, options: AdoptionOptions, policy_name: str) -> Iterator[Finding]:
    pool = str(adopted.user_pool_id)
    if now.deployment:
        yield failed(
            f"The stack {now.deployment} of this toolkit created one of the pools, so its users have PubSub already.",
            resource=pool,
            fix=f"Change the settings of that stack, and check it with: pubsub doctor --stack {now.deployment}",
        )
    if options.at_sign_in:
        for trigger in TRIGGERS:
            function = now.triggers.get(trigger)
            if function and trigger not in options.chained:
                yield failed(
                    f"The user pool's trigger {trigger} already has a function, {function}.",
                    resource=pool,
                    fix=f"Let it call the stack's function, and give --chained-trigger {trigger} "
                    "(docs/how-to/adopt.md#existing-triggers). Or remove it, or give --attachment self-attach.",
                )
            if not function and trigger in options.chained:
                yield failed(
                    f"The user pool's trigger {trigger} has no function that can call the stack's.",
                    resource=pool,
                    fix=f"Omit --chained-trigger {trigger}. The stack then sets its own function.",
                )
    if options.at_sign_in and now.unknown_settings:
        yield failed(
            f"The pools have settings that the installed AWS SDK does not know: {', '.join(now.unknown_settings)}. "
            "Unless Lambda's SDK knows them, the deployment fails, because a change of the pools would reset them.",
            resource=pool,
            fix="Give --attachment self-attach, which does not change the pools, or install a newer boto3.",
        )
    if options.at_sign_in and now.custom_sender_key_arn and ":key/" not in now.custom_sender_key_arn:
        yield failed(
            f"The user pool has an alias as the key of its custom senders, {now.custom_sender_key_arn}. Permissions "
            "cannot be granted for an alias.",
            resource=pool,
            fix="Set the key's ARN in the pool's LambdaConfig.KMSKeyID, or give --attachment self-attach.",
        )
    if policy_name in now.policy_names:
        yield failed(
            f"The IoT policies {USUAL_POLICY_NAME} and {policy_name} already exist.",
            resource=policy_name,
            fix="Choose another name with the setting policyName.",
        )
    for role in now.roles:
        yield from _blockers_of_role(role, options, str(adopted.identity_pool_id))


def _blockers_of_role(role: RoleState, options: AdoptionOptions, identity_pool_id: str) -> Iterator[Finding]:
    if not role.trusts:
        yield failed(
            f"The role {role.name} does not trust identity pool {identity_pool_id}, so users get no credentials.",
            resource=role.name,
            fix="Add the identity pool to the role's trust policy as `aud`, or adopt the role of the pool.",
        )
    added: Sequence[str] = [] if options.own_topics else _missing(role)
    count = len(role.attached) + len(added) + int(options.guarded)
    if count > _MAX_MANAGED_POLICIES:
        yield failed(
            f"The role {role.name} would have {count} managed policies, but the quota is {_MAX_MANAGED_POLICIES}.",
            resource=role.name,
            fix="Detach one, or raise the quota (managed policies per role, L-0DA4ABF3).",
        )
    inline = role.inline_characters + _ROUTE_CHARACTERS
    if options.own_topics:
        region = identity_pool_id.partition(":")[0]
        arn_prefix = f"arn:aws:iot:{region}:123456789012"
        inline += policy_size(policy_document(arn_prefix, options.topics or (), own=identity_service(region)))
    if inline > _MAX_INLINE_CHARACTERS:
        yield failed(
            f"The inline policies of the role {role.name} have {role.inline_characters} characters. The stack adds "
            f"about {inline - role.inline_characters}, and IAM's limit is {_MAX_INLINE_CHARACTERS}, which cannot be "
            "raised.",
            resource=role.name,
            fix="Move statements of its inline policies into a managed policy, and attach that to the role.",
        )
