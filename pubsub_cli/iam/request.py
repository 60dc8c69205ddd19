"""The requests of a front end to AWS IoT: actions, resources and the values of condition keys.

https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
https://docs.aws.amazon.com/iot/latest/developerguide/iot-action-resources.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Final

from pubsub_client._messages import matches
from pubsub_client.policy_document import DATA_ACTIONS, IDENTITY_SERVICES, identity_service

CONNECT: Final = "iot:Connect"
SUBSCRIBE: Final = "iot:Subscribe"
PUBLISH: Final = "iot:Publish"
RECEIVE: Final = "iot:Receive"
RETAIN: Final = "iot:RetainPublish"

ANY_CLIENT_ID: Final = "3f2b9c1e-7a54-4d08-9e61-0c8d5a7b2f43"
"""A placeholder for the random client id that Amplify uses unless the app gives one."""

_ANY_SUB: Final = "5d0c1f9a-2b7e-4c36-8f41-9e0a6b3d7c52"
"""A placeholder for the ``sub`` of a user of the user pool."""

_LEVEL: Final = re.compile(r"(?<![^/])[+#](?![^/])")
SOME_LEVEL: Final = "some-level"
"""A placeholder for one level of a topic."""

Values = tuple[str, ...]
"""The values of a condition key: none if the request does not have the key, several if the key is multivalued."""


class TopicUse(Flag):
    """How clients can use a topic."""

    NOTHING = 0
    PUBLISH = auto()
    SUBSCRIBE = auto()
    BOTH = PUBLISH | SUBSCRIBE


_SHADOWS = ("$aws/things/+/shadow", "$aws/things/+/shadow/name/+")
_RESERVED_TOPICS: tuple[tuple[str, TopicUse], ...] = (
    ("$aws/rules/#", TopicUse.PUBLISH),
    ("$aws/events/#", TopicUse.SUBSCRIBE),
    ("$aws/sitewise/asset-models/+/assets/+/properties/+", TopicUse.SUBSCRIBE),
    ("$aws/things/+/defender/metrics/+", TopicUse.PUBLISH),
    ("$aws/things/+/defender/metrics/+/+", TopicUse.SUBSCRIBE),
    ("$aws/certificates/+/+", TopicUse.PUBLISH),
    ("$aws/certificates/+/+/+", TopicUse.SUBSCRIBE),
    ("$aws/provisioning-templates/+/provision/+", TopicUse.PUBLISH),
    ("$aws/provisioning-templates/+/provision/+/+", TopicUse.SUBSCRIBE),
    ("$aws/things/+/jobs/get", TopicUse.PUBLISH),
    ("$aws/things/+/jobs/start-next", TopicUse.PUBLISH),
    ("$aws/things/+/jobs/+/get", TopicUse.PUBLISH),
    ("$aws/things/+/jobs/+/update", TopicUse.PUBLISH),
    ("$aws/things/+/jobs/#", TopicUse.SUBSCRIBE),
    ("$aws/things/+/tunnels/notify", TopicUse.SUBSCRIBE),
    ("$aws/things/+/streams/+/get/+", TopicUse.PUBLISH),
    ("$aws/things/+/streams/+/describe/+", TopicUse.PUBLISH),
    ("$aws/things/+/streams/+/+/+", TopicUse.SUBSCRIBE),
    *((f"{shadow}/{operation}", TopicUse.BOTH) for shadow in _SHADOWS for operation in ("delete", "get", "update")),
    *(
        (f"{shadow}/{operation}/+", TopicUse.SUBSCRIBE)
        for shadow in _SHADOWS
        for operation in ("delete", "get", "update")
    ),
)
"""How clients can use the reserved topics that match a topic filter. The first match counts.

https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html
"""


_SHARED: Final = re.compile(r"\$share/[^/+#]{1,128}/(.+)", re.DOTALL)


def shared_topic_filter(topic: str) -> str | None:
    """Return the topic filter in a shared subscription, ``$share/NAME/FILTER``; None for other topics.

    https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html#mqtt5-shared-subscription
    """
    found = _SHARED.fullmatch(topic)
    return found[1] if found else None


def allowed_use(topic: str) -> TopicUse:
    """Return how clients can use a topic or topic filter if the policies allow it.

    Clients can also subscribe to reserved topics with wildcards, which AWS advises against:
    https://docs.aws.amazon.com/iot/latest/developerguide/device-shadow-mqtt.html
    """
    if (shared := shared_topic_filter(topic)) is not None:
        return allowed_use(shared) & TopicUse.SUBSCRIBE
    if not topic.startswith("$"):
        return TopicUse.BOTH
    levels = topic.split("/")
    if {"+", "#"} & set(levels) and not {"+", "#"} & set(levels[:2]):
        subscribable = (each for each, use in _RESERVED_TOPICS if TopicUse.SUBSCRIBE in use)
        return (
            TopicUse.SUBSCRIBE if any(_overlap(levels, each.split("/")) for each in subscribable) else TopicUse.NOTHING
        )
    return next((use for topic_filter, use in _RESERVED_TOPICS if matches(topic_filter, topic)), TopicUse.NOTHING)


def _overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    """Return whether two topic filters, as levels, match a common topic."""
    for mine, others in zip(one, other, strict=False):
        if "#" in (mine, others):
            return True
        if mine != others and "+" not in (mine, others):
            return False
    longer = max(one, other, key=len)
    shorter = min(len(one), len(other))
    return len(one) == len(other) or longer[shorter] == "#"


@dataclass(frozen=True)
class Request:
    """An action, and the ARN of the resource."""

    action: str
    resource: str

    @property
    def prefix(self) -> str:
        """The start of the ARN: ``arn:<partition>:iot:<region>:<account id>``."""
        return ":".join(self.resource.split(":")[:5])

    @property
    def name(self) -> str:
        """The client id, topic filter or topic."""
        return self.resource.split(":", 5)[5].partition("/")[2]

    @property
    def text(self) -> str:
        """The request as a part of a sentence, such as ``publish to chat/1``."""
        match self.action:
            case "iot:Connect":
                random = self.name.endswith(ANY_CLIENT_ID)
                return f"connect with {'a random client id' if random else f'the client id {self.name}'}"
            case "iot:Subscribe":
                return f"subscribe to {self.name}"
            case "iot:Publish":
                return f"publish to {self.name}"
            case "iot:RetainPublish":
                return f"publish retained messages to {self.name}"
        return f"receive messages of {self.name}"


def front_end_requests(arn_prefix: str, client_id: str, topics: Sequence[str]) -> list[Request]:
    """Return a front end's requests: to connect, and to use each topic in all ways that AWS IoT has for it.

    Clients cannot publish to a topic filter with wildcards. They receive from a topic that matches the filter, without
    the start of a shared subscription. Retained messages are not requested on reserved topics.

    Args:
        arn_prefix: the start of the ARNs, ``arn:<partition>:iot:<region>:<account id>``.
        client_id: the MQTT client id; it is random if it ends with :data:`ANY_CLIENT_ID`.
        topics: topics and topic filters.
    """
    requests = [(CONNECT, client_id)]
    for topic in topics:
        received = _LEVEL.sub(SOME_LEVEL, shared_topic_filter(topic) or topic)
        use = allowed_use(topic)
        if TopicUse.SUBSCRIBE in use:
            requests.append((SUBSCRIBE, topic))
        if TopicUse.PUBLISH in use and received == topic:
            requests.append((PUBLISH, topic))
            if not topic.startswith("$"):
                requests.append((RETAIN, topic))
        if TopicUse.SUBSCRIBE in use:
            requests.append((RECEIVE, received))
    return [Request(action, f"{arn_prefix}:{DATA_ACTIONS[action]}/{name}") for action, name in requests]


THING_VARIABLES: Final = "iot:Connection.Thing."
"""The start of the names of the thing policy variables."""
IS_ATTACHED: Final = f"{THING_VARIABLES}IsAttached"
THING_NAME: Final = f"{THING_VARIABLES}ThingName"

_SUFFIXES: Final = {"cn": "amazonaws.com.cn", "eusc": "amazonaws.eu"}
"""The suffix of a partition's domain names, by the beginning of its regions."""
_CLAIMS = ("sub", "aud", "amr")
_IOT_VARIABLES = ("iot:clientid", "iot:domainname", "aws:sourceip")
_CERTIFICATE_VARIABLES = ("iot:certificate.", "iot:certificateid")


@dataclass(frozen=True)
class RequestContext:
    """The known values of condition keys and policy variables.

    Args:
        values: the values, by names in lower case.
        of_iot: whether the policies are IoT policies, which have only the variables that AWS IoT documents.
    """

    values: Mapping[str, Values] = field(default_factory=dict)
    of_iot: bool = False

    def values_of(self, key: str) -> Values | None:
        """Return the values of a condition key; None if they are not known."""
        name = key.lower()
        if name in self.values:
            return self.values[name]
        if _is_missing_claim(name) or of_certificate(name):
            return ()
        attached = self.values.get(IS_ATTACHED.lower())
        return () if attached == ("false",) and name.startswith(THING_VARIABLES.lower()) else None

    def has_variable(self, variable: str) -> bool:
        """Return whether a policy variable exists. One that does not exist has no value, and matches nothing.

        https://docs.aws.amazon.com/iot/latest/developerguide/basic-policy-variables.html
        https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html
        https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
        https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
        """
        name = variable.lower()
        if _is_missing_claim(name):
            return False
        documented = (
            name in _IOT_VARIABLES
            or of_certificate(name)
            or name.startswith(THING_VARIABLES.lower())
            or name.partition(":")[0] in IDENTITY_SERVICES
        )
        return documented or not self.of_iot


def of_certificate(variable: str) -> bool:
    """Return whether a variable has a value only for an X.509 certificate, which an identity does not have.

    https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
    """
    return variable.lower().startswith(_CERTIFICATE_VARIABLES)


def user_pool_provider(region: str, user_pool_id: str) -> str:
    """Return a user pool's provider name in identity pools."""
    return f"cognito-idp.{region}.{_SUFFIXES.get(region.partition('-')[0], 'amazonaws.com')}/{user_pool_id}"


def _is_missing_claim(name: str) -> bool:
    """Return whether a name is that of a claim that the token of an identity does not have.

    The claims of other providers, such as ``accounts.google.com:aud``, are only in their own tokens.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
    """
    service, _, claim = name.partition(":")
    return (service in IDENTITY_SERVICES) is not (claim in _CLAIMS)


def signed_in_context(
    region: str,
    identity_pool_id: str | None,
    *,
    user_pool_id: str | None = None,
    identity_id: str | None = None,
    client_id: str | None = None,
    role_arn: str | None = None,
    things: Collection[str] | None = None,
) -> RequestContext:
    """Return the context of a signed-in user's requests to AWS IoT. A value of None is not known.

    https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
    https://docs.aws.amazon.com/iot/latest/developerguide/basic-policy-variables.html

    Args:
        region: the region of the request.
        identity_pool_id: the identity pool.
        user_pool_id: the user pool.
        identity_id: the user's identity id.
        client_id: the MQTT client id.
        role_arn: the role of the user's credentials; None for IoT policies, which are evaluated without a role.
        things: the names of the things that the identity is attached to.
    """
    values: dict[str, Values] = {"aws:securetransport": ("true",), "aws:requestedregion": (region,)}
    provider = user_pool_provider(region, user_pool_id) if user_pool_id else ""
    # The key amr also has the provider that the user signed in with.
    amr = ("authenticated", *((provider, f"{provider}:CognitoSignIn:{_ANY_SUB}") if provider else ()))
    service = identity_service(region)  # Whether the names of other regions have a value is not documented.
    values[f"{service}:amr"] = amr
    if identity_pool_id:
        values[f"{service}:aud"] = (identity_pool_id,)
    if identity_id:
        values[f"{service}:sub"] = (identity_id,)
    if client_id is not None and not role_arn:  # AWS documents the variables of AWS IoT only for IoT policies.
        values["iot:clientid"] = (client_id,)
    if role_arn:
        values["aws:principalarn"] = (role_arn,)
        values["aws:principalaccount"] = (role_arn.split(":")[4],)
    if client_id is not None and client_id.endswith(ANY_CLIENT_ID):
        things = ()  # A random client id is not the name of a thing.
    if things is not None and client_id is not None and not role_arn:
        values |= _thing_values(things, client_id)
    return RequestContext(values, of_iot=role_arn is None)


def _thing_values(things: Collection[str], client_id: str) -> dict[str, Values]:
    """Return the values of the thing policy variables. The client id must be the name of a thing of the identity.

    Only X.509 certificates can have an exclusive thing, whose name can differ from the client id.
    https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html
    https://docs.aws.amazon.com/iot/latest/developerguide/exclusive-thing.html
    """
    if client_id in things:
        return {IS_ATTACHED.lower(): ("true",), THING_NAME.lower(): (client_id,)}
    return {IS_ATTACHED.lower(): ("false",)}
