"""The settings: read from cdk.json's context key ``amplify-pubsub``, checked before anything is synthesized."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTEXT_KEY = "amplify-pubsub"
DEFAULT_ENVIRONMENT = "default"
_STACK_NAME = "AmplifyPubSub"
_POLICY_NAME = "myIoTPolicy"

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LogRetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]


class SettingsError(Exception):
    """A setting is unknown or wrong; the message is one line naming the key, what was given and what is allowed."""


class Settings(BaseModel):
    """What a team may choose. Keys in cdk.json are the camel-case form of these names."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)

    environment: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = DEFAULT_ENVIRONMENT
    """Names the stack. Chosen by ``-c environment=NAME``, never in a section."""

    policy_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@-]{1,128}$")] = _POLICY_NAME
    """The IoT policy attached to each signed-in user's identity. Its name is unique in an account and region, so other
    environments add theirs to it unless they set it."""

    access_mode: Literal["guarded"] = "guarded"
    """``guarded``: both managed policies as Amplify's guide asks, under a permissions boundary."""

    reserved_topics: bool = False
    """Let signed-in users reach topics under ``$aws/`` and device shadows; the guide's policies would."""

    attachment: Literal["sign-in"] = "sign-in"
    """``sign-in``: attached by the PostAuthentication trigger before the tokens are out."""

    marker_generation: Annotated[int, Field(ge=1)] = 1
    """Raised by one, it invalidates every marker: each user is attached again at the next sign-in."""

    marker_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How long a marker saves a user's sign-ins the attachment; a detached policy is put back after this at most."""

    removal_policy: Literal["destroy"] = "destroy"
    """``destroy``: `cdk destroy` removes the user pool with its users."""

    log_retention_days: LogRetentionDays = 30
    """How long CloudWatch keeps the functions' logs."""

    @property
    def stack_name(self) -> str:
        """The stack's name: ``AmplifyPubSub``, with ``-<environment>`` unless it is the default."""
        return _STACK_NAME if self.environment == DEFAULT_ENVIRONMENT else f"{_STACK_NAME}-{self.environment}"


def read_settings(section: Mapping[str, Any] | None, environment: str | None) -> Settings:
    """Merge the defaults, the section and the chosen environment's part of it.

    Args:
        section: the value of the context key ``amplify-pubsub``; its member ``environments`` maps environment names
            to settings that go over the rest.
        environment: the name given by ``-c environment=NAME``; None is the default environment.

    Raises:
        SettingsError: a key is unknown, a value is not allowed, or the environment has no part in ``environments``.
    """
    shared = dict(_mapping(section if section is not None else {}, CONTEXT_KEY))
    environments = _mapping(shared.pop("environments", {}), f"{CONTEXT_KEY}.environments")
    path = f"{CONTEXT_KEY}.environments"
    parts: dict[str, Mapping[str, Any]] = {
        name: _mapping(part, f"{path}.{_shown(name)}") for name, part in environments.items()
    }
    # Every environment is read, so that a mistake shows before it is deployed.
    settings = {name: _read_environment(shared, name, parts.get(name, {})) for name in (DEFAULT_ENVIRONMENT, *parts)}
    chosen = environment or DEFAULT_ENVIRONMENT
    if chosen not in settings:
        raise SettingsError(f"environment: {chosen!r} is not in {path}; allowed: {', '.join(sorted(settings))}")
    return settings[chosen]


def _read_environment(shared: Mapping[str, Any], name: str, part: Mapping[str, Any]) -> Settings:
    values = dict(shared) | dict(part)
    if name != DEFAULT_ENVIRONMENT:
        values.setdefault("policyName", f"{_POLICY_NAME}-{name}")
    prefixes = {key: f"{CONTEXT_KEY}.environments.{_shown(name)}" if key in part else CONTEXT_KEY for key in values}
    if "environment" in values:
        raise SettingsError(
            f"{prefixes['environment']}.environment: not a setting here; choose it with -c environment=NAME"
        )
    try:
        return Settings(environment=name, **values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        path = f"{prefixes[key]}.{_shown(key)}" if key in prefixes else key
        raise SettingsError(_explain(path, first)) from None


def check_region(region: str | None) -> str | None:
    """Return the region to deploy to, None if it is not known yet.

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
    """Return a key as it is read in a path: quoted when it holds anything unexpected, such as a line break."""
    return key if re.fullmatch(r"[\w-]+", key) else repr(key)


def _explain(path: str, error: Any) -> str:
    if error["type"] == "extra_forbidden":
        allowed = ", ".join(
            sorted(field.alias or name for name, field in Settings.model_fields.items() if name != "environment")
        )
        return f"{path}: unknown key; allowed: {allowed}"
    return f"{path}: {error['input']!r} given; {error['msg'][0].lower()}{error['msg'][1:]}"
