"""Topics that AWS IoT keeps to itself, and what it lets clients do with them.

https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html
"""

from __future__ import annotations

from enum import Flag, auto

from pubsub_client._messages import matches


class Use(Flag):
    """What a client may do with a topic."""

    NOTHING = 0
    PUBLISH = auto()
    SUBSCRIBE = auto()
    BOTH = PUBLISH | SUBSCRIBE


_SHADOWS = ("$aws/things/+/shadow", "$aws/things/+/shadow/name/+")

_USES: tuple[tuple[str, Use], ...] = (
    ("$aws/rules/#", Use.PUBLISH),
    ("$aws/events/#", Use.SUBSCRIBE),
    ("$aws/sitewise/asset-models/+/assets/+/properties/+", Use.SUBSCRIBE),
    ("$aws/things/+/defender/metrics/+", Use.PUBLISH),
    ("$aws/things/+/defender/metrics/+/+", Use.SUBSCRIBE),
    ("$aws/certificates/+/+", Use.PUBLISH),
    ("$aws/certificates/+/+/+", Use.SUBSCRIBE),
    ("$aws/provisioning-templates/+/provision/+", Use.PUBLISH),
    ("$aws/provisioning-templates/+/provision/+/+", Use.SUBSCRIBE),
    ("$aws/things/+/jobs/get", Use.PUBLISH),
    ("$aws/things/+/jobs/start-next", Use.PUBLISH),
    ("$aws/things/+/jobs/+/get", Use.PUBLISH),
    ("$aws/things/+/jobs/+/update", Use.PUBLISH),
    ("$aws/things/+/jobs/#", Use.SUBSCRIBE),
    ("$aws/things/+/tunnels/notify", Use.SUBSCRIBE),
    ("$aws/things/+/streams/+/get/+", Use.PUBLISH),
    ("$aws/things/+/streams/+/describe/+", Use.PUBLISH),
    ("$aws/things/+/streams/+/+/+", Use.SUBSCRIBE),
    *((f"{shadow}/{operation}", Use.BOTH) for shadow in _SHADOWS for operation in ("delete", "get", "update")),
    *((f"{shadow}/{operation}/+", Use.SUBSCRIBE) for shadow in _SHADOWS for operation in ("delete", "get", "update")),
)
"""By topic filter; the first that matches decides."""


def allowed_use(topic: str) -> Use:
    """Return what AWS IoT lets clients do with a topic; whether a policy allows it is another question."""
    if not topic.startswith("$"):
        return Use.BOTH
    return next((use for topic_filter, use in _USES if matches(topic_filter, topic)), Use.NOTHING)
