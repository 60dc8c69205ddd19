"""The settings: read from the context key ``amplify-pubsub`` of cdk.json, and validated before the synthesis."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel

from pubsub_client.outputs import LEAST_PRIVILEGE
from pubsub_client.policy_document import (
    IDENTITY_SERVICES,
    MAX_CHARACTERS,
    check_shared_topics,
    check_smoke_test_topics,
    check_topic_pattern,
    policy_document,
)

from .adopt import Adopt

CONTEXT_KEY = "amplify-pubsub"
DEFAULT_ENVIRONMENT = "default"
_STACK_NAME = "AmplifyPubSub"
_POLICY_NAME = "myIoTPolicy"

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LogRetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]

AccessMode = Literal["guarded", "unguarded", "least-privilege"]
AttachmentMode = Literal["sign-in", "self-attach"]

# One character less than a name can have, so that there is one for the *.
_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,30}\*")
# An alarm on a math expression takes ten metrics: one of each app client, and the trigger's.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
_MOST_WATCHED_CLIENTS = 9
_LONGEST_SERVICE = max(IDENTITY_SERVICES, key=len)
_LONGEST_ARN_PREFIX = "arn:aws-us-gov:iot:ap-southeast-1:123456789012"


class SettingsError(Exception):
    """A setting is unknown or wrong. The message is one line: the key's path, the given value, the allowed values."""


def _unique(values: list[str]) -> list[str]:
    if repeated := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"duplicate {', '.join(repeated)}; remove one")
    return values


def _topic_pattern(pattern: str) -> str:
    check_topic_pattern(pattern)
    return pattern


def _tag_key(key: str) -> str:
    if key.lower().startswith("aws:"):
        raise ValueError("AWS reserves the prefix aws:")
    return key


def _fit_the_mode(patterns: list[str], info: ValidationInfo) -> list[str]:
    """Check patterns of topics against the access mode."""
    least_privilege = info.data.get("access_mode") == LEAST_PRIVILEGE
    if least_privilege:
        check_shared_topics(patterns)
    else:
        check_smoke_test_topics(patterns)
    own = _LONGEST_SERVICE if least_privilege else None
    length = len(json.dumps(policy_document(_LONGEST_ARN_PREFIX, patterns, own=own), separators=(",", ":")))
    if length > MAX_CHARACTERS:
        raise ValueError(f"the IoT policy could become {length} characters long, and AWS IoT allows {MAX_CHARACTERS}")
    return patterns


def _origins(origins: list[str]) -> list[str]:
    if "*" in origins and len(origins) > 1:
        raise ValueError("* stands for every origin; remove the others")
    return origins


_Topic = Annotated[
    str,
    Field(
        pattern=r"^[^\s,]{1,256}$",
        description="without ``+``, ``#`` and more than 7 slashes, not beginning with ``$``; in ``guarded`` and "
        "``unguarded`` mode at least one ends in ``*``, in ``least-privilege`` mode none has ``*``, ``?``, ``$`` or "
        "``:`` before its first slash",
    ),
    AfterValidator(_topic_pattern),
]
_Topics = Annotated[list[_Topic], AfterValidator(_unique), AfterValidator(_fit_the_mode)]
# As in the header Origin: lower case, no path, no slash at the end.
_Origin = Annotated[
    str,
    Field(pattern=r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$", description="an origin, or only ``*`` for all"),
]
_Origins = Annotated[list[_Origin], Field(min_length=1), AfterValidator(_unique), AfterValidator(_origins)]
# Cognito allows more characters; these need no quoting anywhere.
_GroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@+=-]{1,128}$")]
_KeyArn = Annotated[str, Field(pattern=r"^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/(mrk-[0-9a-f]{32}|[0-9a-f-]{36})$")]
# A standard topic's: https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
_TopicArn = Annotated[str, Field(pattern=r"^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$")]
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
_Schedule = Annotated[
    str, Field(pattern=r"^(rate\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\)|cron\([^()]+\))$")
]
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-resource-tags.html
_PerSecond = Annotated[int, Field(ge=1, le=1000)]
_TagKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_ .:/=+@-]{1,128}$"), AfterValidator(_tag_key)]
_TagValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_ .:/=+@-]{0,256}$")]


class AttachPerSecond(BaseModel):
    """The rates of AttachPolicy calls. Their sum is the account's quota, 15 a second unless AWS raised it.

    https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    """

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    sign_in: _PerSecond = 5
    """Calls a second for sign-ins and self-attach."""
    retry: _PerSecond = 8
    """Calls a second for the retry queue's worker while AWS throttles; otherwise it uses what the others leave."""
    sweep: _PerSecond = 2
    """Calls a second for the sweep over all identities."""

    @property
    def whole(self) -> int:
        """The sum of all rates."""
        return self.sign_in + self.retry + self.sweep

    def self_attach(self, attachment: AttachmentMode) -> int:
        """Return the rate of self-attach: that of sign-ins, and also that of the worker if there is no worker."""
        return self.sign_in if attachment == "sign-in" else self.sign_in + self.retry

    def list_rate(self, attachment: AttachmentMode) -> int:
        """Return the ListAttachedPolicies calls a second of sweep and bulk detachment.

        That operation has its own quota, by default as large as AttachPolicy's, and self-attach uses a part of it.
        """
        return self.whole - self.self_attach(attachment)


class Sweep(BaseModel):
    """When all identities are checked."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    schedule: _Schedule = "rate(1 day)"
    """When a sweep begins, in the syntax of EventBridge. A sweep does not begin while another is running."""
    full_every_days: Annotated[int, Field(ge=1, le=365)] = 30
    """After this many days a sweep checks every identity, not only those that were changed since the last sweep."""


class Settings(BaseModel):
    """The settings of a deployment. Keys in cdk.json are the camel-case form of these names."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    environment: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = DEFAULT_ENVIRONMENT
    """The environment, which names the stack. Select it with ``-c environment=NAME``; it is no key of a section."""

    policy_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@-]{1,128}$")] = _POLICY_NAME
    """The IoT policy that is attached to each signed-in user's identity. The name is unique in an account and region,
    so other environments append their name by default: ``myIoTPolicy-prod``. Another name moves all attachments:
    docs/how-to/deploy.md#rename-the-policy."""

    access_mode: AccessMode = "guarded"
    """``guarded``: both managed policies of Amplify's guide, under a permissions boundary that leaves only the data
    actions. ``unguarded``: both managed policies and nothing else, which lets every signed-in user change AWS IoT.
    ``least-privilege``: only AWS IoT's data actions, on topics under the user's own identity id and on shared topics.
    Users cannot read or write topics of other users."""

    topics: _Topics = Field(default_factory=lambda given: _default_topics(given.get("access_mode")))
    """Patterns of the topics that the IoT policy opens to every signed-in user. ``*`` stands for any characters, ``?``
    for one. The default is ``*``. In ``least-privilege`` mode users share these topics, and the default is none."""

    reserved_topics: bool = False
    """Let signed-in users use topics under ``$aws/`` and device shadows in ``guarded`` mode; ``unguarded`` mode always
    does. Not allowed in ``guarded`` mode with ``permissionsBoundary`` or adopted roles, because the deny that guards
    them cannot distinguish a shadow from its thing."""

    groups: Annotated[list[_GroupName], AfterValidator(_unique)] = []
    """Cognito groups in the order of their precedence. Each has its own role, like AuthRole:
    docs/how-to/secure-topics.md#groups. Not allowed with an adopted identity pool, whose groups have roles already."""

    mfa: Literal["off", "optional"] = "off"
    """``optional``: users can set up a one-time password (TOTP). The internal sign-in must not bypass MFA, so these
    users use self-attach: docs/explanation/architecture.md#self-attach."""

    adopt: Adopt = Adopt()
    """Existing user pool, app clients, identity pool and roles to use: docs/how-to/adopt.md."""

    attachment: AttachmentMode = Field(default_factory=lambda given: _default_attachment(given.get("adopt")))
    """``sign-in``: the PostAuthentication trigger attaches the policy before Cognito issues tokens; self-attach works
    too. ``self-attach``: only the route attaches it, and front ends call the route. There is no trigger and no internal
    sign-in. The default is ``sign-in``; with an adopted user pool it is ``self-attach``, which does not change the
    pool."""

    attach_per_second: AttachPerSecond = AttachPerSecond()
    """How sign-ins, worker and sweep share the account's quota of AttachPolicy calls, which is 15 a second unless AWS
    raised it: docs/how-to/operate.md#the-attachpolicy-budget."""

    detach_per_second: _PerSecond = 15
    """How many DetachPolicy calls a second a bulk detachment makes. The quota is 15 unless AWS raised it.
    docs/how-to/deploy.md#destroy."""

    sweep: Sweep = Sweep()
    """When all identities are checked, and the policy is attached where it is missing:
    docs/how-to/operate.md#the-sweep."""

    allow_origins: _Origins = ["*"]
    """Origins of the web pages whose scripts can call self-attach. The default is any, because every call is signed."""

    attachment_cache_version: Annotated[int, Field(ge=1)] = 1
    """Raise it by one to invalidate every marker: each user is attached again at the next sign-in."""

    attachment_cache_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How long a marker is valid. A policy that was detached from a user is attached again after this at most."""

    removal_policy: Literal["destroy", "retain"] = "destroy"
    """``destroy``: `cdk destroy` deletes the user pool with its users. ``retain``: it keeps the pool, the front end's
    app client and the groups, and users can still sign in:
    docs/how-to/deploy.md#keep-the-user-pool."""

    termination_protection: bool = False
    """CloudFormation refuses to delete the stack until the protection is lifted."""

    permissions_boundary: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@/-]{1,512}$")] | None = None
    """Name of the managed policy that must be the permissions boundary of every role in this account. A role has one
    boundary, so an explicit deny guards AuthRole and the groups' roles then."""

    tags: dict[_TagKey, _TagValue] = {}
    """Tags of all taggable resources. Keys must not begin with ``aws:``, which AWS reserves."""

    log_retention_days: LogRetentionDays = 30
    """How long CloudWatch keeps the functions' logs."""

    log_group_key_arn: _KeyArn | None = None
    """The KMS key that encrypts the functions' logs; its key policy must let CloudWatch Logs of the region use it."""

    alarm_topic_arn: _TopicArn | None = None
    """The SNS topic, in the stack's region, that every alarm notifies when it goes off and when it is over. The topic's
    policy must let CloudWatch publish: docs/how-to/operate.md#alarms."""

    monitoring: Literal["full", "alarms", "off"] = "full"
    """``full``: alarms and a dashboard. ``alarms``: alarms without the dashboard. ``off``: neither, for example in
    short-lived environments, because AWS charges for each alarm and dashboard."""

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.adopt.identity_pool_id and self.groups:
            raise ValueError(
                "groups and an adopted identity pool exclude each other: its groups have roles, which are adopted with "
                "it (adopt.groupRoleArns)"
            )
        if self.adopt.chained_triggers and self.attachment != "sign-in":
            raise ValueError("adopt.chainedTriggers requires attachment sign-in")
        if self.alarm_topic_arn and self.monitoring == "off":
            raise ValueError("alarmTopicArn and monitoring off exclude each other: there is no alarm to notify it")
        clients = len(self.adopt.user_pool_client_ids)
        if self.attachment == "sign-in" and clients > _MOST_WATCHED_CLIENTS:
            raise ValueError(
                f"adopt.userPoolClientIds names {clients} app clients; allowed with attachment sign-in: at most "
                f"{_MOST_WATCHED_CLIENTS}, because an alarm watches the sign-ins of each and takes ten metrics"
            )
        if self.guards_by_deny and self.reserved_topics:
            others = "permissionsBoundary" if self.permissions_boundary else "adopted roles"
            raise ValueError(
                f"{others} and reservedTopics exclude each other in guarded mode: the deny that takes the "
                "boundary's place cannot distinguish a shadow from its thing"
            )
        return self

    @property
    def needs_guard(self) -> bool:
        """Whether created roles get the control-plane guard: in every mode that does not exclude it."""
        return self.access_mode not in ("unguarded", LEAST_PRIVILEGE)

    @property
    def guards_by_deny(self) -> bool:
        """Whether the guard is a deny, because the boundary or the roles are not the stack's."""
        others = self.permissions_boundary is not None or self.adopt.identity_pool_id is not None
        return self.needs_guard and others

    @property
    def own_topics(self) -> bool:
        """Whether users have their own topics and client ids, by their identity id."""
        return self.access_mode == LEAST_PRIVILEGE

    @property
    def stack_name(self) -> str:
        """The stack's name: ``AmplifyPubSub``, with ``-<environment>`` unless it is the default."""
        return _STACK_NAME if self.environment == DEFAULT_ENVIRONMENT else f"{_STACK_NAME}-{self.environment}"


def read_settings(section: Mapping[str, Any] | None, environment: str | None) -> Settings:
    """Merge the defaults, the section and the chosen environment's part of it.

    Args:
        section: the value of the context key ``amplify-pubsub``; its member ``environments`` maps environment names
            to settings that override the rest. A name that ends in ``*`` is a pattern for names with that prefix.
            An exact name overrides a pattern.
        environment: the name from ``-c environment=NAME``; None selects the default environment.

    Raises:
        SettingsError: a key is unknown, a value is not allowed, the environment is not in ``environments``, or two of
            its patterns overlap.
    """
    shared = dict(_mapping(section if section is not None else {}, CONTEXT_KEY))
    environments = _mapping(shared.pop("environments", {}), f"{CONTEXT_KEY}.environments")
    path = f"{CONTEXT_KEY}.environments"
    parts: dict[str, Mapping[str, Any]] = {
        name: _mapping(part, f"{path}.{_shown(name)}") for name, part in environments.items()
    }
    if both := _overlapping(parts):
        raise SettingsError(f"{path}: {' and '.join(map(repr, both))} match the same names; allowed: one of them")
    keys = dict.fromkeys((DEFAULT_ENVIRONMENT, *parts))
    # Read every environment, to report a mistake before it is deployed.
    for each in keys:
        _read_environment(shared, _example_of(each), parts.get(each, {}), each)
    chosen = environment or DEFAULT_ENVIRONMENT
    key = _key_for(chosen, keys)
    if key is None:
        raise SettingsError(f"environment: {chosen!r} is not in {path}; allowed: {', '.join(sorted(keys))}")
    return _read_environment(shared, chosen, parts.get(key, {}), key)


def _is_pattern(key: str) -> bool:
    """Return whether a key of ``environments`` is a pattern, such as ``pr-*``."""
    return _PATTERN.fullmatch(key) is not None


def _example_of(key: str) -> str:
    """Return a name that the key matches; a name matches itself."""
    return f"{key[:-1]}x" if _is_pattern(key) else key


def _key_for(name: str, keys: Collection[str]) -> str | None:
    """Return the key of an environment: its name, or else the pattern that matches it; ``*`` is one character or more.

    Returns None if there is none.
    """
    if name in keys:
        return name
    patterns = (key for key in keys if _is_pattern(key))
    return next((key for key in patterns if name.startswith(key[:-1]) and len(name) >= len(key)), None)


def _overlapping(keys: Iterable[str]) -> tuple[str, str] | None:
    """Return two patterns that match the same names, if there are any."""
    # Sorted, a prefix comes directly before one of the prefixes that begin with it.
    prefixes = sorted(key[:-1] for key in keys if _is_pattern(key))
    return next(((f"{first}*", f"{second}*") for first, second in pairwise(prefixes) if second.startswith(first)), None)


def _read_environment(shared: Mapping[str, Any], name: str, part: Mapping[str, Any], listed_as: str) -> Settings:
    values = dict(shared) | dict(part)
    own = f"{CONTEXT_KEY}.environments.{_shown(listed_as)}"
    if _is_pattern(listed_as) and "policyName" in values:
        raise SettingsError(
            f"{own if 'policyName' in part else CONTEXT_KEY}.policyName: {values['policyName']!r} given; {listed_as!r} "
            "matches several environments, and each needs its own IoT policy; allowed: none"
        )
    if name != DEFAULT_ENVIRONMENT:
        values.setdefault("policyName", f"{_POLICY_NAME}-{name}")
    prefixes = {key: own if key in part else CONTEXT_KEY for key in values}
    if "environment" in values:
        raise SettingsError(
            f"{prefixes['environment']}.environment: not a setting here; choose it with -c environment=NAME"
        )
    try:
        return Settings(environment=name, **values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            section = CONTEXT_KEY if name == DEFAULT_ENVIRONMENT else own
            raise SettingsError(f"{section}: {_reason(first)}") from None
        key, *inner = (str(part) for part in first["loc"])
        if inner and inner[-1] == "[key]":  # so pydantic names an object's key, rather than its value
            inner.pop()
        path = ".".join([f"{prefixes[key]}.{_shown(key)}" if key in prefixes else key, *map(_shown, inner)])
        raise SettingsError(_explain(path, first)) from None


def check_region(region: str | None) -> str | None:
    """Check the region to deploy to, and return it; None if it is not known yet.

    Raises:
        SettingsError: Amazon Cognito has no user pools there.
    """
    if region and region.startswith("cn-"):
        raise SettingsError(f"region {region}: Amazon Cognito has no user pools in the AWS China partition")
    return region


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{path}: {value!r} given; allowed: an object of settings")
    return value


def _shown(key: str) -> str:
    """Return a key for a path: quoted if it has unexpected characters, such as a line break."""
    return key if re.fullmatch(r"[\w-]+", key) else repr(key)


def _explain(path: str, error: Any) -> str:
    if error["type"] == "extra_forbidden":
        key, *inner = error["loc"]
        fields = _model_of(str(key)).model_fields if inner else Settings.model_fields
        allowed = sorted(field.alias or name for name, field in fields.items() if name != "environment")
        return f"{path}: unknown key; allowed: {', '.join(allowed)}"
    return f"{path}: {error['input']!r} given; {_reason(error)}"


def _model_of(key: str) -> type[BaseModel]:
    """Return the model of a setting that is an object, by its camel-case key."""
    models: dict[str, type[BaseModel]] = {"adopt": Adopt, "attachPerSecond": AttachPerSecond, "sweep": Sweep}
    return models[key]


def _default_topics(access_mode: str | None) -> list[str]:
    """Return the default of ``topics``; the mode is None if it was wrong itself."""
    return [] if access_mode == LEAST_PRIVILEGE else ["*"]


def _default_attachment(adopt: Adopt | None) -> AttachmentMode:
    """Return the default of ``attachment``; ``adopt`` is None if it was wrong itself."""
    return "self-attach" if adopt and adopt.user_pool_id else "sign-in"


def _reason(error: Any) -> str:
    reason = str(error["msg"]).removeprefix("Value error, ")
    return reason if error["type"] == "value_error" else reason[0].lower() + reason[1:]
