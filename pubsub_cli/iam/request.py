"""What a front end asks of AWS IoT: to connect, to subscribe, to publish, to receive.

https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
https://docs.aws.amazon.com/iot/latest/developerguide/iot-action-resources.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pubsub_cli.iam.reserved_topics import Use, allowed_use

CONNECT: Final = "iot:Connect"
SUBSCRIBE: Final = "iot:Subscribe"
PUBLISH: Final = "iot:Publish"
RECEIVE: Final = "iot:Receive"

KINDS: Final = {CONNECT: "client", SUBSCRIBE: "topicfilter", PUBLISH: "topic", RECEIVE: "topic"}
"""The kind of resource that AWS IoT asks each action for."""

ANY_CLIENT_ID: Final = "3f2b9c1e-7a54-4d08-9e61-0c8d5a7b2f43"
"""Stands for the random client id that Amplify takes where the app gives none."""

_LEVEL: Final = re.compile(r"(?<![^/])[+#](?![^/])")
_SOME_LEVEL: Final = "some-level"


@dataclass(frozen=True)
class Request:
    """One action on one resource."""

    action: str
    resource: str
    """Its ARN."""

    @property
    def prefix(self) -> str:
        """The beginning of the resource: partition, service, region and account."""
        return ":".join(self.resource.split(":")[:5])

    @property
    def name(self) -> str:
        """The client id, the topic filter or the topic."""
        return self.resource.split(":", 5)[5].partition("/")[2]

    @property
    def text(self) -> str:
        """What is asked, as a sentence says it."""
        match self.action:
            case "iot:Connect":
                as_whom = "a random client id" if self.name.endswith(ANY_CLIENT_ID) else f"the client id {self.name}"
                return f"connect with {as_whom}"
            case "iot:Subscribe":
                return f"subscribe to {self.name}"
            case "iot:Publish":
                return f"publish to {self.name}"
        return f"receive messages of {self.name}"


def requests(arn_prefix: str, client_id: str, topics: Sequence[str]) -> list[Request]:
    """Return what a front end asks: one connection, and on each topic whatever AWS IoT lets clients do with it.

    Nobody publishes to a topic filter with wildcards; what is received of it is asked for one topic that it matches.
    Of AWS IoT's own topics most are to publish to or to subscribe to alone.

    Args:
        arn_prefix: what the resources begin with, ``arn:<partition>:iot:<region>:<account id>``.
        client_id: the MQTT client id; one that ends in :data:`ANY_CLIENT_ID` stands for a random one.
        topics: topics or topic filters.
    """
    asked = [(CONNECT, client_id)]
    for topic in topics:
        received = _LEVEL.sub(_SOME_LEVEL, topic)
        use = allowed_use(topic)
        if Use.SUBSCRIBE in use:
            asked.append((SUBSCRIBE, topic))
        if Use.PUBLISH in use and received == topic:
            asked.append((PUBLISH, topic))
        if Use.SUBSCRIBE in use:
            asked.append((RECEIVE, received))
    return [Request(action, f"{arn_prefix}:{KINDS[action]}/{name}") for action, name in asked]
