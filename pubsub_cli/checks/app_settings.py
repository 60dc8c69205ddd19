"""Does what the front end uses and is made of fit AWS IoT and Amplify?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pubsub_cli.checks.amplify_packages import FrontEnd
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import FrontEndConfig, Requirement
from pubsub_cli.finding import Finding, failed, passed, warning
from pubsub_cli.iam.request import TopicUse, allowed_use
from pubsub_client._aws_iot import KEEP_ALIVE_SECONDS, PAYLOAD_BYTES, SUBSCRIPTIONS, AwsIot
from pubsub_client._messages import check_topic_filter
from pubsub_client.exceptions import TopicError

_CLOSES = "AWS IoT closes the connection of a client that"
_RESERVED_USES = (
    "of the topics that begin with $ clients may use only some below $aws/: shadows ($aws/things/THING/shadow/...), "
    "rules ($aws/rules/RULE/..., publish only), events ($aws/events/..., subscribe only), jobs and provisioning"
)


@dataclass(frozen=True)
class _Excess:
    """A figure beyond a limit; it may not break PubSub."""

    option: str
    cause: str
    fix: str
    breaks: bool = True


class TopicsAreUsable(Check):
    """AWS IoT takes the topics asked about: their form, their length and depth, and none that it keeps to itself.

    At most 256 bytes and 7 slashes ([AWS](https://docs.aws.amazon.com/general/latest/gr/iot-core.html)); a topic that
    begins with `$` is [AWS IoT's own](https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html). A
    client that uses another is disconnected without a word, and so is one that publishes to a topic filter. Whether
    policies allow it is another check's question.
    """

    id = "PS103"
    group = Group.CONFIGURATION
    title = "topics are valid"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset()

    async def run(self, context: Context) -> Finding:
        """Look at each."""
        wrong = next((found for each in context.requested_topics if (found := _topic(each))), None)
        return wrong or passed(", ".join(_with_use(each) for each in context.requested_topics))


class FiguresFit(Check):
    """The front end's figures fit AWS IoT's limits.

    Messages of at most 128 KB, 50 subscriptions a connection, a keep-alive of 30 to 1200 seconds
    ([AWS](https://docs.aws.amazon.com/general/latest/gr/iot-core.html)). Asked with `--payload-bytes`,
    `--subscriptions` and `--keep-alive`.
    """

    id = "PS104"
    group = Group.CONFIGURATION
    title = "message size, subscriptions and keep-alive are within AWS IoT's limits"
    requirements = frozenset({Requirement.LIMITS})

    async def run(self, context: Context) -> Finding:
        """Compare each that is given."""
        app = context.front_end
        wrong = [each for each in (_payload(app), _subscriptions(app), _keep_alive(app)) if each]
        if not wrong:
            return passed(_told(app))
        found = failed if any(each.breaks for each in wrong) else warning
        return found(
            " ".join(each.cause for each in wrong),
            resource=", ".join(each.option for each in wrong),
            fix=[each.fix for each in wrong],
        )


class PackagesMatch(Check):
    """The front end's `@aws-amplify/pubsub` matches its `aws-amplify`.

    Amplify's [guide](https://docs.amplify.aws/react-native/build-a-backend/add-aws-services/pubsub/set-up-pubsub) asks
    for it. Two major versions, or two copies of `@aws-amplify/core`, and PubSub sees neither configuration nor
    credentials; two releases with one core are a warning. Asked with `--package-json`; what is installed or locked
    beside that file is looked at too.
    """

    id = "PS105"
    group = Group.CONFIGURATION
    title = "@aws-amplify/pubsub matches aws-amplify"
    requirements = frozenset({Requirement.PACKAGE_JSON})

    async def run(self, context: Context) -> Finding:
        """Read the file, and what is installed."""
        file = context.front_end.package_json
        if file is None:
            raise TypeError("needs a package.json")
        return await asyncio.to_thread(self._compare, FrontEnd.read(file))

    def _compare(self, front_end: FrontEnd) -> Finding:
        mismatch = front_end.mismatch()
        if mismatch is None:
            return passed(front_end.told())
        found = failed if mismatch.breaks else warning
        return found(mismatch.cause, resource=str(front_end.file), fix=front_end.fix)


def _topic(topic: str) -> Finding | None:
    """Find what is wrong with a topic or topic filter; None if nothing is."""
    try:
        check_topic_filter(topic)
        AwsIot.check_topic(topic)
    except TopicError as error:
        return failed(
            f"{str(error)[:1].upper()}{str(error)[1:]}. {_CLOSES} publishes or subscribes to it.",
            resource=topic,
            fix="Use another topic in the front end, and ask about that: --topic TOPIC",
        )
    use = allowed_use(topic)
    if use is TopicUse.NOTHING:
        return failed(
            f"The topic {topic!r} is reserved: {_RESERVED_USES}. {_CLOSES} uses another.",
            resource=topic,
            fix="Use a topic in the front end that does not begin with $, and ask about that: --topic TOPIC",
        )
    return None


def _with_use(topic: str) -> str:
    """Return a topic, with what alone it can be used for."""
    use = allowed_use(topic)
    if use is TopicUse.PUBLISH:
        return f"{topic} (to publish to)"
    return f"{topic} (to subscribe to)" if use is TopicUse.SUBSCRIBE or "+" in topic or "#" in topic else topic


def _payload(app: FrontEndConfig) -> _Excess | None:
    if app.payload_bytes is None or app.payload_bytes <= PAYLOAD_BYTES:
        return None
    return _Excess(
        "--payload-bytes",
        f"A message of {app.payload_bytes} bytes is longer than the {PAYLOAD_BYTES} that AWS IoT takes: {_CLOSES} "
        "publishes it.",
        "Send less in one message: split it, or put it into Amazon S3 and send where it is.",
    )


def _subscriptions(app: FrontEndConfig) -> _Excess | None:
    if app.subscriptions is None or app.subscriptions <= SUBSCRIPTIONS:
        return None
    return _Excess(
        "--subscriptions",
        f"{app.subscriptions} subscriptions are more than the {SUBSCRIPTIONS} that AWS IoT takes of one connection: it "
        "refuses those beyond, and Amplify does not tell.",
        "Subscribe to topic filters with wildcards that take in many topics, or use a second connection.",
    )


def _keep_alive(app: FrontEndConfig) -> _Excess | None:
    shortest, longest = KEEP_ALIVE_SECONDS
    seconds = app.keep_alive_seconds
    if seconds is None or shortest <= seconds <= longest:
        return None
    fix = f"Set the front end's keep-alive to {shortest} to {longest} seconds."
    if 0 < seconds < shortest:
        cause = f"Of a keep-alive of {seconds} s AWS IoT makes {shortest}: it notices a lost client later than meant."
        return _Excess("--keep-alive", cause, fix, breaks=False)
    cause = (
        f"Of a keep-alive of {seconds} s AWS IoT makes {longest}: it disconnects a client that says nothing for "
        "one and a half times as long."
    )
    return _Excess("--keep-alive", cause, fix)


def _told(app: FrontEndConfig) -> str:
    figures = (
        (app.payload_bytes, "bytes"),
        (app.subscriptions, "subscriptions"),
        (app.keep_alive_seconds, "s keep-alive"),
    )
    return ", ".join(f"{figure} {unit}" for figure, unit in figures if figure is not None)
