"""The settings: read from the context key ``amplify-pubsub`` of cdk.json, and validated before synthesis."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationError, ValidationInfo, model_validator

from pubsub_client.outputs import LEAST_PRIVILEGE, AccessMode, AttachmentMode
from pubsub_client.policy_document import (
    IDENTITY_SERVICES,
    MAX_CHARACTERS,
    check_shared_topics,
    check_smoke_test_topics,
    check_topic_pattern,
    policy_document,
)

from .adopt import MODEL_CONFIG, Adopt, GroupName, KeyArn

CONTEXT_KEY = "amplify-pubsub"
DEFAULT_ENVIRONMENT = "default"
_STACK_NAME = "AmplifyPubSub"
_POLICY_NAME = "myIoTPolicy"

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LogRetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]

# One character shorter than a name can be, because * matches at least one.
_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,30}\*")
# An alarm on a math expression has at most ten metrics: one for each app client, and one for the trigger.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
_MOST_WATCHED_CLIENTS = 9
_LONGEST_SERVICE = max(IDENTITY_SERVICES, key=len)
_LONGEST_ARN_PREFIX = "arn:aws-us-gov:iot:ap-southeast-1:123456789012"


class SettingsError(Exception):
    """A key is unknown or its value is wrong. The message is one line: the key, the given value, the allowed values."""


def _unique(values: list[str]) -> list[str]:
    if repeated := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"duplicate {', '.join(repeated)}; remove one")
    return values


def _topic_pattern(pattern: str) -> str:
    check_topic_pattern(pattern)
    return pattern


def _tag_key(key: str) -> str:
    if key.lower().startswith("aws:"):
        raise ValueError("AWS reserves the prefix aws:; choose another key")
    return key


def _check_for_access_mode(patterns: list[str], info: ValidationInfo) -> list[str]:
    least_privilege = info.data.get("access_mode") == LEAST_PRIVILEGE
    if least_privilege:
        check_shared_topics(patterns)
    else:
        check_smoke_test_topics(patterns)
    own = _LONGEST_SERVICE if least_privilege else None
    length = len(json.dumps(policy_document(_LONGEST_ARN_PREFIX, patterns, own=own), separators=(",", ":")))
    if length > MAX_CHARACTERS:
        raise ValueError(
            f"the IoT policy could have {length} characters; allowed: {MAX_CHARACTERS}; use fewer or shorter topics"
        )
    return patterns


def _origins(origins: list[str]) -> list[str]:
    if "*" in origins and len(origins) > 1:
        raise ValueError("* allows every origin; remove the others")
    return origins


_Topic = Annotated[
    str,
    Field(
        pattern=r"^[^\s,]{1,256}$",
        description="has no ``+`` or ``#`` and at most 7 slashes, and does not begin with ``$``. In ``guarded`` and "
        "``unguarded`` mode at least one ends in ``*``. In ``least-privilege`` mode none has ``*``, ``?``, ``$`` or "
        "``:`` before its first slash",
    ),
    AfterValidator(_topic_pattern),
]
_Topics = Annotated[list[_Topic], AfterValidator(_unique), AfterValidator(_check_for_access_mode)]
# As in the header Origin: lower case, no path, no slash at the end.
_Origin = Annotated[
    str,
    Field(pattern=r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$", description="is an origin, or only ``*`` for all"),
]
_Origins = Annotated[list[_Origin], Field(min_length=1), AfterValidator(_unique), AfterValidator(_origins)]
# A standard topic: https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
_TopicArn = Annotated[str, Field(pattern=r"^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$")]
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
_Schedule = Annotated[
    str, Field(pattern=r"^(rate\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\)|cron\([^()]+\))$")
]
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-resource-tags.html
_PerSecond = Annotated[int, Field(ge=1, le=1000)]
_TagKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_ .:/=+@-]{1,128}$"), AfterValidator(_tag_key)]
_TagValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_ .:/=+@-]{0,256}$")]


def _default_attachment(adopt: Adopt | None) -> AttachmentMode:
    """Return the default of ``attachment``; ``adopt`` is None if its value was wrong."""
    return "self-attach" if adopt and adopt.user_pool_id else "sign-in"


class AttachPerSecond(BaseModel):
    """Rates of AttachPolicy calls. Their sum should be the account's quota, which is 15 a second by default.

    https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    """

    model_config = MODEL_CONFIG

    sign_in: _PerSecond = 5
    """Calls a second for sign-ins and self-attach."""
    retry: _PerSecond = 8
    """Calls a second for the retry queue's worker while AWS throttles it. Otherwise it uses what the others leave."""
    sweep: _PerSecond = 2
    """Calls a second for the sweep over all identities."""

    @property
    def total(self) -> int:
        """The sum of all rates."""
        return self.sign_in + self.retry + self.sweep

    def self_attach(self, attachment: AttachmentMode) -> int:
        """Return the rate of self-attach, which includes the worker's rate if there is no worker."""
        return self.sign_in if attachment == "sign-in" else self.sign_in + self.retry

    def list_rate(self, attachment: AttachmentMode) -> int:
        """Return the rate of ListAttachedPolicies calls of sweep and bulk detachment.

        The operation has its own quota, by default as large as that of AttachPolicy. Self-attach uses a part of it.
        """
        return self.total - self.self_attach(attachment)


class SweepSettings(BaseModel):
    """When all identities are checked."""

    model_config = MODEL_CONFIG

    schedule: _Schedule = "rate(1 day)"
    """When a sweep starts, in EventBridge syntax. A sweep does not start while another one runs."""
    full_every_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How often a sweep checks every identity, in days. Other sweeps check only identities that changed."""


class Settings(BaseModel):
    """The settings of a deployment."""

    model_config = MODEL_CONFIG

    environment: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = DEFAULT_ENVIRONMENT
    """The environment, which names the stack. It is selected with ``-c environment=NAME`` and is no key of cdk.json."""

    policy_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@-]{1,128}$")] = _POLICY_NAME
    """The IoT policy that is attached to each user's identity. The name must be unique in an account and region, so
    other environments append their name: ``myIoTPolicy-prod``. A new name moves all attachments:
    docs/how-to/deploy.md#rename-the-policy."""

    access_mode: AccessMode = "guarded"
    """``guarded``: both managed policies of Amplify's guide, under a permissions boundary that leaves only the data
    actions. ``unguarded``: both managed policies and nothing else, so every signed-in user can change AWS IoT.
    ``least-privilege``: only AWS IoT's data actions, on shared topics and on topics under the user's identity id."""

    topics: _Topics = Field(default_factory=lambda given: [] if given.get("access_mode") == LEAST_PRIVILEGE else ["*"])
    """Patterns of the topics that every signed-in user can use. ``*`` matches any characters, ``?`` matches one. In
    ``least-privilege`` mode users share these topics, and the default is none."""

    reserved_topics: bool = False
    """``true``: in ``guarded`` mode users can use topics under ``$aws/`` and device shadows, as they always can in
    ``unguarded`` mode. Not allowed in ``guarded`` mode with ``permissionsBoundary`` or adopted roles, because their
    deny cannot distinguish a shadow from its thing."""

    groups: Annotated[list[GroupName], AfterValidator(_unique)] = []
    """Cognito groups in order of precedence. Each gets its own role: docs/how-to/secure-topics.md#groups. Not allowed
    with an adopted identity pool, whose groups have roles already."""

    mfa: Literal["off", "optional"] = "off"
    """``optional``: users can set up a one-time password (TOTP). Users with MFA use self-attach, because the internal
    sign-in must not bypass MFA: docs/explanation/architecture.md#self-attach."""

    adopt: Adopt = Adopt()
    """Existing pools and roles to use: docs/how-to/adopt.md."""

    attachment: AttachmentMode = Field(default_factory=lambda given: _default_attachment(given.get("adopt")))
    """``sign-in``: the PostAuthentication trigger attaches the policy before Cognito issues tokens. Self-attach works
    too. ``self-attach``: front ends call the self-attach route, and there is no trigger. This is the default with an
    adopted user pool, because it does not change the pool."""

    attach_per_second: AttachPerSecond = AttachPerSecond()
    """How sign-ins, worker and sweep share the account's quota of AttachPolicy calls:
    docs/how-to/operate.md#the-attachpolicy-budget."""

    detach_per_second: _PerSecond = 15
    """DetachPolicy calls a second of a bulk detachment. The quota is 15 unless AWS raised it:
    docs/how-to/deploy.md#destroy."""

    sweep: SweepSettings = SweepSettings()
    """When a sweep checks all identities, and attaches the policy where it is missing:
    docs/how-to/operate.md#the-sweep."""

    allow_origins: _Origins = ["*"]
    """Origins of web pages that can call self-attach. All are allowed by default, because every call is signed."""

    attachment_cache_version: Annotated[int, Field(ge=1)] = 1
    """Increase it to invalidate every marker. Each user is attached again at the next sign-in."""

    attachment_cache_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How many days a marker is valid. After that, a sign-in attaches a policy that was detached."""

    removal_policy: Literal["destroy", "retain"] = "destroy"
    """``destroy``: `cdk destroy` deletes the user pool with its users. ``retain``: it keeps the pool, the front end's
    app client and the groups, and users can still sign in: docs/how-to/deploy.md#keep-the-user-pool."""

    termination_protection: bool = False
    """``true``: CloudFormation rejects the deletion of the stack."""

    permissions_boundary: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@/-]{1,512}$")] | None = None
    """Name of the managed policy that must be the permissions boundary of every role in this account. A role has only
    one boundary, so an explicit deny is then the guard of AuthRole and group roles."""

    tags: dict[_TagKey, _TagValue] = {}
    """Tags of all taggable resources. AWS reserves keys that begin with ``aws:``."""

    log_retention_days: LogRetentionDays = 30
    """How many days CloudWatch keeps the functions' logs."""

    log_group_key_arn: KeyArn | None = None
    """The KMS key that encrypts the functions' logs. Its key policy must let CloudWatch Logs of the region use it."""

    alarm_topic_arn: _TopicArn | None = None
    """The SNS topic, in the stack's region, that every alarm notifies when it starts and when it ends. Its policy must
    let CloudWatch publish: docs/how-to/operate.md#alarms."""

    monitoring: Literal["full", "alarms", "off"] = "full"
    """``full``: alarms and a dashboard. ``alarms``: only the alarms. ``off``: neither, for example in short-lived
    environments, because AWS charges for both."""

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.adopt.identity_pool_id and self.groups:
            raise ValueError(
                "groups is not allowed with adopt.identityPoolId, because an adopted pool's groups have roles already; "
                "name these roles in adopt.groupRoleArns"
            )
        if self.adopt.chained_triggers and self.attachment != "sign-in":
            raise ValueError("adopt.chainedTriggers requires attachment sign-in")
        if self.alarm_topic_arn and self.monitoring == "off":
            raise ValueError("alarmTopicArn is not allowed with monitoring off, which has no alarms; remove one")
        clients = len(self.adopt.user_pool_client_ids)
        if self.attachment == "sign-in" and clients > _MOST_WATCHED_CLIENTS:
            raise ValueError(
                f"adopt.userPoolClientIds has {clients} app clients; allowed with attachment sign-in: at most "
                f"{_MOST_WATCHED_CLIENTS}, because one alarm watches the sign-ins of all and can have ten metrics"
            )
        if self.guards_by_deny and self.reserved_topics:
            other = "permissionsBoundary" if self.permissions_boundary else "adopted roles"
            raise ValueError(
                f"reservedTopics is not allowed with {other} in guarded mode, because the deny that guards the roles "
                "cannot distinguish a shadow from its thing; remove one"
            )
        return self

    @property
    def needs_guard(self) -> bool:
        """Whether created roles get the control-plane guard."""
        return self.access_mode not in ("unguarded", LEAST_PRIVILEGE)

    @property
    def guards_by_deny(self) -> bool:
        """Whether the guard is a deny, because the account has its own boundary or the roles are adopted."""
        others = self.permissions_boundary is not None or self.adopt.identity_pool_id is not None
        return self.needs_guard and others

    @property
    def own_topics(self) -> bool:
        """Whether users have topics and client ids of their own, which begin with their identity id."""
        return self.access_mode == LEAST_PRIVILEGE

    @property
    def stack_name(self) -> str:
        """The stack's name: ``AmplifyPubSub``, with ``-<environment>`` unless it is the default."""
        return _STACK_NAME if self.environment == DEFAULT_ENVIRONMENT else f"{_STACK_NAME}-{self.environment}"


_OBJECTS: dict[str, type[BaseModel]] = {"adopt": Adopt, "attachPerSecond": AttachPerSecond, "sweep": SweepSettings}


def read_settings(section: Mapping[str, Any] | None, environment: str | None) -> Settings:
    """Return the settings of an environment: the defaults, overridden by the section and by its ``environments``.

    Args:
        section: the value of the context key ``amplify-pubsub``. Its member ``environments`` maps environment names to
            settings. A name that ends in ``*`` matches all names with that prefix, unless one is listed exactly.
        environment: the name from ``-c environment=NAME``; None selects the default environment.

    Raises:
        SettingsError: a key is unknown, a value is wrong, the environment is not in ``environments``, or two of its
            patterns overlap.
    """
    shared = dict(_mapping(section if section is not None else {}, CONTEXT_KEY))
    environments = _mapping(shared.pop("environments", {}), f"{CONTEXT_KEY}.environments")
    path = f"{CONTEXT_KEY}.environments"
    parts: dict[str, Mapping[str, Any]] = {
        name: _mapping(part, f"{path}.{_shown(name)}") for name, part in environments.items()
    }
    if both := _overlapping(parts):
        raise SettingsError(f"{path}: {' and '.join(map(repr, both))} match the same names; remove one")
    keys = dict.fromkeys((DEFAULT_ENVIRONMENT, *parts))
    # Validate every environment, so that a mistake is found before that environment is deployed.
    for each in keys:
        _read_environment(shared, _example_of(each), parts.get(each, {}), each)
    chosen = environment or DEFAULT_ENVIRONMENT
    key = _key_for(chosen, keys)
    if key is None:
        raise SettingsError(f"environment: {chosen!r} is not in {path}; allowed: {', '.join(sorted(keys))}")
    return _read_environment(shared, chosen, parts.get(key, {}), key)


def _is_pattern(key: str) -> bool:
    """Return whether a key of ``environments`` is a pattern such as ``pr-*``."""
    return _PATTERN.fullmatch(key) is not None


def _example_of(key: str) -> str:
    """Return a name that the key matches."""
    return f"{key[:-1]}x" if _is_pattern(key) else key


def _key_for(name: str, keys: Collection[str]) -> str | None:
    """Return the name itself or the pattern that matches it. ``*`` matches at least one character."""
    if name in keys:
        return name
    patterns = (key for key in keys if _is_pattern(key))
    return next((key for key in patterns if name.startswith(key[:-1]) and len(name) >= len(key)), None)


def _overlapping(keys: Iterable[str]) -> tuple[str, str] | None:
    """Return two patterns that match the same names."""
    # In sorted order, a prefix comes directly before a longer one that begins with it.
    prefixes = sorted(key[:-1] for key in keys if _is_pattern(key))
    return next(((f"{first}*", f"{second}*") for first, second in pairwise(prefixes) if second.startswith(first)), None)


def _read_environment(shared: Mapping[str, Any], name: str, part: Mapping[str, Any], listed_as: str) -> Settings:
    values = dict(shared) | dict(part)
    own = f"{CONTEXT_KEY}.environments.{_shown(listed_as)}"
    if _is_pattern(listed_as) and "policyName" in values:
        raise SettingsError(
            f"{own if 'policyName' in part else CONTEXT_KEY}.policyName: {values['policyName']!r} given; not allowed "
            f"for {listed_as!r}, which matches several environments, because each needs its own IoT policy"
        )
    if name != DEFAULT_ENVIRONMENT:
        values.setdefault("policyName", f"{_POLICY_NAME}-{name}")
    prefixes = {key: own if key in part else CONTEXT_KEY for key in values}
    if "environment" in values:
        raise SettingsError(f"{prefixes['environment']}.environment: not a setting; select it with -c environment=NAME")
    try:
        return Settings(environment=name, **values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            section = CONTEXT_KEY if name == DEFAULT_ENVIRONMENT else own
            raise SettingsError(f"{section}: {_reason(first)}") from None
        key, *inner = (str(part) for part in first["loc"])
        if inner and inner[-1] == "[key]":  # the error is in an object's key, not in its value
            inner.pop()
        path = ".".join([f"{prefixes[key]}.{_shown(key)}" if key in prefixes else key, *map(_shown, inner)])
        raise SettingsError(_explain(path, first)) from None


def check_region(region: str | None) -> str | None:
    """Return the region to deploy to; None if it is not known yet.

    Raises:
        SettingsError: Amazon Cognito has no user pools in the region.
    """
    if region and region.startswith("cn-"):
        raise SettingsError(f"region {region}: Amazon Cognito has no user pools in the AWS China partition")
    return region


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{path}: {value!r} given; allowed: an object of settings")
    return value


def _shown(key: str) -> str:
    """Return a key as it is printed in a path, quoted if it has unusual characters such as a line break."""
    return key if re.fullmatch(r"[\w-]+", key) else repr(key)


def _explain(path: str, error: Any) -> str:
    if error["type"] == "extra_forbidden":
        key, *inner = error["loc"]
        fields = (_OBJECTS[key] if inner else Settings).model_fields
        allowed = sorted(field.alias or name for name, field in fields.items() if name != "environment")
        return f"{path}: unknown key; allowed: {', '.join(allowed)}"
    return f"{path}: {error['input']!r} given; {_reason(error)}"


def _reason(error: Any) -> str:
    reason = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "value_error":
        return reason
    allowed = reason.replace("Input should be", "allowed:").replace("String should match pattern", "allowed: pattern")
    return allowed[0].lower() + allowed[1:]
