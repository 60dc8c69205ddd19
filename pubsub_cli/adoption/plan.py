"""What adopting would change, what stands in its way, and what is good to know: all before anything happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pubsub_cli.adoption.adopted import Adopted
from pubsub_cli.adoption.inspection import IdentitiesNow, Inspection, RoleNow
from pubsub_cli.iam.roles import role_name
from pubsub_client.outputs import LEAST_PRIVILEGE, MANAGED_POLICIES, MARKER_ATTRIBUTE, TRIGGERS

USUAL_POLICY_NAME = "myIoTPolicy"
"""The IoT policy's name unless the settings say otherwise."""
OTHER_POLICY_NAME = "myIoTPolicy-pubsub"
"""Its name where the usual one is taken."""

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_POLICIES_A_ROLE = 10


@dataclass(frozen=True)
class Choice:
    """What the team chooses.

    Args:
        attachment: ``self-attach`` or ``sign-in``.
        access_mode: ``guarded``, ``unguarded`` or ``least-privilege``.
        topics: the patterns of topics; None for the mode's own.
        chained: triggers whose own function calls ours.
        groups: groups of the user pool that get roles of the stack.
    """

    attachment: str = "self-attach"
    access_mode: str = "guarded"
    topics: tuple[str, ...] | None = None
    chained: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def at_sign_in(self) -> bool:
        """Whether the trigger attaches."""
        return self.attachment == "sign-in"

    @property
    def data_only(self) -> bool:
        """Whether signed-in users are kept to the data actions of AWS IoT."""
        return self.access_mode != "unguarded"

    @property
    def own_topics(self) -> bool:
        """Whether users have topics of their own, and client ids, by their identity id."""
        return self.access_mode == LEAST_PRIVILEGE


@dataclass(frozen=True)
class Change:
    """What becomes of one resource."""

    resource: str
    change: str


@dataclass(frozen=True)
class Blocker:
    """What must be out of the way before the deployment."""

    cause: str
    resource: str
    fix: str


@dataclass(frozen=True)
class Plan:
    """The settings, and what deploying them would do."""

    settings: dict[str, Any]
    changes: list[Change]
    notes: list[str]
    blockers: list[Blocker]


def plan(adopted: Adopted, now: Inspection, choice: Choice) -> Plan:
    """Work out what a deployment would do; nothing is asked any more."""
    policy_name = OTHER_POLICY_NAME if USUAL_POLICY_NAME in now.policy_names else USUAL_POLICY_NAME
    return Plan(
        _settings(adopted, now, choice, policy_name),
        [*_changes(adopted, now, choice, policy_name)],
        [*_notes(now, choice, policy_name)],
        [*_blockers(adopted, now, choice, policy_name)],
    )


def _settings(adopted: Adopted, now: Inspection, choice: Choice, policy_name: str) -> dict[str, Any]:
    adopt: dict[str, Any] = {
        "userPoolId": adopted.user_pool_id,
        "userPoolClientIds": [*adopted.user_pool_client_ids],
        "identityPoolId": adopted.identity_pool_id,
        "authRoleArn": adopted.auth_role_arn,
        "groupRoleArns": [*adopted.group_role_arns],
        "chainedTriggers": [*choice.chained],
        "smsRoleArn": now.sms_role_arn if choice.at_sign_in else None,
        "customSenderKeyArn": now.custom_sender_key_arn if choice.at_sign_in else None,
        "replaceGroupRoles": {name: now.groups[name] for name in choice.groups if name in now.groups},
    }
    settings: dict[str, Any] = {"adopt": {key: value for key, value in adopt.items() if value}}
    if choice.at_sign_in:
        settings["attachment"] = choice.attachment
    if choice.groups:
        settings["groups"] = [*choice.groups]
    if choice.access_mode != "guarded":
        settings["accessMode"] = choice.access_mode
    if choice.topics:
        settings["topics"] = [*choice.topics]
    if policy_name != USUAL_POLICY_NAME:
        settings["policyName"] = policy_name
    return settings


def _changes(adopted: Adopted, now: Inspection, choice: Choice, policy_name: str) -> Iterator[Change]:
    pool = f"user pool {adopted.user_pool_id}"
    if choice.at_sign_in:
        if not now.has_marker:
            yield Change(pool, f"gets the attribute custom:{MARKER_ATTRIBUTE}, for good: Cognito cannot remove one")
        yield Change(pool, "gets an app client for the internal sign-in, which no front end uses")
        for trigger in TRIGGERS:
            kept = f"keeps {now.triggers.get(trigger)}, which has to call ours"
            yield Change(f"{pool}, trigger {trigger}", kept if trigger in choice.chained else "calls ours")
        if now.sms_role_arn:
            yield Change(
                f"role {role_name(now.sms_role_arn)}",
                "stays as it is; the stack may pass it to Amazon Cognito (iam:PassRole), which asks for that whenever "
                "a user pool that sends SMS is changed",
            )
        if now.custom_sender_key_arn:
            yield Change(
                f"key {now.custom_sender_key_arn}",
                "stays as it is; the stack may create grants of it (kms:CreateGrant), which Amazon Cognito asks for "
                "whenever a user pool with custom senders is changed",
            )
    else:
        yield Change(pool, "nothing" if not choice.groups else "gets the groups below, and nothing else")
    for name in choice.groups:
        yield Change(f"group {name}", _group_gets(now, name))
    if adopted.identity_pool_id is None:
        yield Change("identity pool", "one is made for these app clients, with roles of its own")
        yield Change("identities", f"users get identities there, and {policy_name} attached: {_opens(choice)}")
        return
    identity_pool = f"identity pool {adopted.identity_pool_id}"
    yield Change(identity_pool, "takes the tokens of that app client too" if choice.at_sign_in else "nothing")
    for role in now.roles:
        yield Change(f"role {role.name}", _role_gets(role, choice))
    if now.identities:
        yield Change("identities", f"{_how_many(now.identities)} {_gain(choice)} {policy_name}: {_opens(choice)}")
        yield Change("guests", "gain nothing: IoT policies are attached to signed-in identities alone")


def _group_gets(now: Inspection, name: str) -> str:
    if name not in now.groups:
        return "is made, with a role of its own; it stays when the stack goes"
    role_arn = now.groups[name]
    if role_arn:
        return (
            f"gets a role and a precedence of the stack in place of {role_name(role_arn)}; both are put back when the "
            "stack goes"
        )
    return "gets a role and a precedence of the stack; it keeps a role for good, because Cognito cannot take one away"


def _role_gets(role: RoleNow, choice: Choice) -> str:
    parts = []
    if choice.own_topics:
        parts.append("gets AWS IoT's data actions on its users' own topics and the shared ones")
    elif missing := _missing(role):
        parts.append(f"gets {' and '.join(missing)}")
    else:
        parts.append(f"has {' and '.join(MANAGED_POLICIES)} already")
    if choice.data_only:
        parts.append("a deny of AWS IoT's control plane")
    return f"{', '.join(parts)}, and may call the self-attach route"


def _missing(role: RoleNow) -> list[str]:
    return [name for name in MANAGED_POLICIES if name not in role.attached]


def _how_many(identities: IdentitiesNow) -> str:
    return f"{'' if identities.whole else 'more than '}{identities.signed_in} of signed-in users"


def _gain(choice: Choice) -> str:
    ways = (
        "at their next sign-in, by self-attach or by the sweep" if choice.at_sign_in else "by self-attach or the sweep"
    )
    return f"get, {ways},"


def _opens(choice: Choice) -> str:
    if choice.own_topics:
        shared = f", and everybody to {', '.join(choice.topics)}" if choice.topics else ""
        return f"each to connect, and to topics under their own identity id{shared}"
    topics = ", ".join(choice.topics or ("*",))
    more = "" if choice.data_only else "; AWSIoTConfigAccess also lets them change AWS IoT, this policy included"
    return f"all to connect, publish, subscribe and receive on {topics}{more}"


def _notes(now: Inspection, choice: Choice, policy_name: str) -> Iterator[str]:
    if policy_name != USUAL_POLICY_NAME:
        yield (
            f"An IoT policy {USUAL_POLICY_NAME} is there already, made by somebody else: ours is called {policy_name}. "
            "Identities that have the other keep it, and what it opens, until somebody detaches it."
        )
    if now.identities and now.identities.policies:
        told = ", ".join(f"{name} ({count})" for name, count in sorted(now.identities.policies.items()))
        yield (
            f"IoT policies that the {now.identities.looked_at} identities looked at have already: {told}. What these "
            "open stays open."
        )
    if choice.data_only and (who := [role.name for role in now.roles if role.changes_iot]):
        yield (
            f"{', '.join(who)} lets signed-in users attach IoT policies themselves. That will be denied: a front end "
            "that calls AttachPolicy is refused, and has to call self-attach or nothing "
            "(docs/adopting.md#the-front-end)."
        )
    second_factor = now.user_pool.get("MfaConfiguration", "OFF")
    if choice.at_sign_in and second_factor != "OFF":
        whom = "Every user has" if second_factor == "ON" else "Some users may have"
        yield f"{whom} a second factor: they are not attached while signing in, but by self-attach or the sweep."
    identity_pool = now.identity_pool or {}
    if identity_pool.get("AllowUnauthenticatedIdentities"):
        yield "The identity pool has guests: PS311 of the smoke test will say so; `--skip PS311` if that is meant."
    if identity_pool.get("AllowClassicFlow"):
        yield "The identity pool allows the classic flow, in which users choose a role: turn it off if nobody needs it."
    providers = identity_pool.get("CognitoIdentityProviders", [])
    if others := _other_providers(identity_pool, str(now.user_pool["Id"])):
        yield (
            f"The identity pool has other identity providers: {', '.join(others)}. Self-attach refuses their users and "
            "the sweep leaves them out, unless the setting adopt.otherProviders names the provider."
        )
    if any(not each.get("ServerSideTokenCheck") for each in providers):
        yield (
            "The identity pool does not ask the user pool about tokens (ServerSideTokenCheck): who was signed out or "
            "disabled gets AWS credentials until the ID token ends."
        )


def _other_providers(identity_pool: Mapping[str, Any], user_pool_id: str) -> list[str]:
    """Return the names of the identity providers besides the user pool, as an identity's logins show them."""
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


def _blockers(adopted: Adopted, now: Inspection, choice: Choice, policy_name: str) -> Iterator[Blocker]:
    pool = str(adopted.user_pool_id)
    if choice.at_sign_in:
        for trigger in TRIGGERS:
            there = now.triggers.get(trigger)
            if there and trigger not in choice.chained:
                yield Blocker(
                    f"The user pool's trigger {trigger} has a function already, {there}.",
                    pool,
                    f"Have it call ours and give --chained-trigger {trigger} (docs/adopting.md#triggers-of-your-own), "
                    "take it off, or leave the pool as it is with --attachment self-attach.",
                )
            if not there and trigger in choice.chained:
                yield Blocker(
                    f"The user pool's trigger {trigger} has no function that could call ours.",
                    pool,
                    f"Leave --chained-trigger {trigger} out, and ours is set.",
                )
    if choice.at_sign_in and now.unknown_settings:
        yield Blocker(
            f"The pools have settings that the AWS SDK here does not know: {', '.join(now.unknown_settings)}. Unless "
            "Lambda's SDK knows them, the deployment refuses to change the pools, because it would lose them.",
            pool,
            "Leave the pools as they are with --attachment self-attach, or look again with a newer boto3.",
        )
    if choice.at_sign_in and now.custom_sender_key_arn and ":key/" not in now.custom_sender_key_arn:
        yield Blocker(
            f"The key of the user pool's custom senders is named by an alias, {now.custom_sender_key_arn}, to which no "
            "permission can be given.",
            pool,
            "Name the key itself in the pool's LambdaConfig.KMSKeyID, or give --attachment self-attach.",
        )
    if policy_name in now.policy_names:
        yield Blocker(
            f"Both {USUAL_POLICY_NAME} and {policy_name} are IoT policies of somebody else's.",
            policy_name,
            "Choose another name as policyName.",
        )
    for role in now.roles:
        yield from _blockers_of_role(role, choice, str(adopted.identity_pool_id))


def _blockers_of_role(role: RoleNow, choice: Choice, identity_pool_id: str) -> Iterator[Blocker]:
    if not role.trusts:
        yield Blocker(
            f"The role {role.name} does not trust identity pool {identity_pool_id}: it gives nobody credentials.",
            role.name,
            "Name the identity pool in the role's trust, as `aud`; or adopt the role that the pool gives.",
        )
    added: Sequence[str] = [] if choice.own_topics else _missing(role)
    count = len(role.attached) + len(added) + int(choice.data_only)
    if count > _POLICIES_A_ROLE:
        yield Blocker(
            f"The role {role.name} would have {count} managed policies, and a role takes {_POLICIES_A_ROLE}.",
            role.name,
            "Detach one, or have the quota raised (managed policies per role, L-0DA4ABF3).",
        )
