"""Checks of the configuration: the stack's outputs, the ID token and the settings of the front end."""

from __future__ import annotations

from datetime import UTC, datetime

from pubsub_cli.checks.check import BlockingCheck, Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import FrontEndConfig, Requirement
from pubsub_cli.finding import Finding, failed, passed, warning
from pubsub_cli.iam.request import TopicUse, allowed_use, shared_topic_filter
from pubsub_cli.stack import DEPLOY_AGAIN, missing_outputs, read_outputs
from pubsub_client._aws_iot import KEEP_ALIVE_SECONDS, PAYLOAD_BYTES, SUBSCRIPTIONS, AwsIot
from pubsub_client._messages import check_topic_filter
from pubsub_client.exceptions import TopicError
from pubsub_client.outputs import Output

_CLOSES = "AWS IoT closes the connection of a client that"
_RESERVED_USES = (
    "of the topics that begin with $, clients can use only some below $aws/: shadows ($aws/things/THING/shadow/...), "
    "rules ($aws/rules/RULE/..., only to publish), events ($aws/events/..., only to subscribe), jobs and provisioning"
)


class OutputsAreComplete(BlockingCheck):
    """Front ends and `pubsub` read the pools and the endpoint from the outputs. Without a stack, give the ids as
    options.
    """

    id = "PS101"
    group = Group.CONFIGURATION
    title = "the stack's outputs are complete"
    requirements = frozenset()

    def examine(self, context: Context) -> Finding:
        """Read the outputs.

        Raises:
            PreconditionError: the stack does not exist, or AWS cannot be reached.
        """
        if context.deployment_ids:
            context.set_outputs(context.deployment_ids.outputs())
            return passed(f"{context.deployment_ids.endpoint}, given by ids")
        outputs = read_outputs(context.aws, context.stack)
        missing = missing_outputs(outputs)
        if missing:
            return failed(
                f"The stack does not have the outputs {', '.join(missing)}, which front ends and this tool read.",
                resource=context.stack,
                fix=DEPLOY_AGAIN,
            )
        context.set_outputs(outputs)
        return passed(outputs[Output.PUBSUB_ENDPOINT])


class TokenIsValid(Check):
    """The identity pool rejects expired tokens and tokens of other user pools. PS115 checks the app client. A front end
    that does not renew its ID token is disconnected when its AWS credentials expire.
    """

    id = "PS106"
    group = Group.CONFIGURATION
    title = "the ID token is valid for this user pool"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.GIVEN_TOKEN})

    async def run(self, context: Context) -> Finding:
        token, pool = context.selector.id_token, context.output(Output.USER_POOL_ID)
        if token is None:
            raise TypeError("needs an ID token")
        if token.user_pool_id != pool:
            return failed(
                f"The ID token is from user pool {token.user_pool_id}, not {pool}: the identity pool rejects it.",
                resource=token.user_pool_id,
                fix="Give an ID token of this deployment's front end, or the stack or ids of the token's deployment.",
            )
        ends = datetime.fromtimestamp(int(token.claims["exp"]), UTC)
        if ends <= datetime.now(UTC):
            return failed(
                f"The ID token expired at {ends:%Y-%m-%d %H:%M:%S %Z}: the identity pool rejects it, and gives no new "
                "AWS credentials for it.",
                resource=token.user_name,
                fix="Sign in again, or renew the front end's session (in Amplify: "
                "fetchAuthSession({ forceRefresh: true })). Then give the new token.",
            )
        return passed(f"until {ends:%H:%M:%S %Z}, of app client {token.client_id}")


class TopicsAreValid(Check):
    """AWS IoT disconnects a client that uses an invalid topic, or that publishes to a topic filter, without an error.

    A topic has at most 256 bytes and 7 slashes ([AWS](https://docs.aws.amazon.com/general/latest/gr/iot-core.html)).
    Topics that begin with `$` are
    [reserved](https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html). AWS IoT accepts
    [shared subscriptions](https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html#mqtt5-shared-subscription),
    but Amplify PubSub and `pubsub_client` do not support them, so the check warns. It also warns of `*`: only policies
    have this wildcard.
    """

    id = "PS103"
    group = Group.CONFIGURATION
    title = "topics are valid"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset()

    async def run(self, context: Context) -> Finding:
        topics = context.requested_topics
        wrong = next((found for each in topics if (found := _wrong_topic(each))), None)
        shared = next((_warn_of_sharing(each) for each in topics if shared_topic_filter(each)), None)
        literal = next((_warn_of_literal(each) for each in topics if "*" in each), None)
        return wrong or shared or literal or passed(", ".join(_with_use(each) for each in topics))


class LimitsAreKept(Check):
    """A message has at most 128 KB, a connection at most 50 subscriptions, and the keep-alive is 30 to 1200 seconds
    ([AWS](https://docs.aws.amazon.com/general/latest/gr/iot-core.html)).
    """

    id = "PS104"
    group = Group.CONFIGURATION
    title = "message size, subscriptions and keep-alive are within AWS IoT's limits"
    requirements = frozenset({Requirement.LIMITS})

    async def run(self, context: Context) -> Finding:
        front_end = context.front_end
        problems = _exceeded_limits(front_end)
        if not problems:
            given = {
                "bytes": front_end.payload_bytes,
                "subscriptions": front_end.subscriptions,
                "s keep-alive": front_end.keep_alive_seconds,
            }
            return passed(", ".join(f"{number} {unit}" for unit, number in given.items() if number is not None))
        seconds = front_end.keep_alive_seconds or 0
        harmless = [*problems] == ["--keep-alive"] and 0 < seconds < KEEP_ALIVE_SECONDS[0]
        found = warning if harmless else failed
        return found(
            " ".join(cause for cause, _ in problems.values()),
            resource=", ".join(problems),
            fix=[fix for _, fix in problems.values()],
        )


def _wrong_topic(topic: str) -> Finding | None:
    """Return the finding for an invalid topic or topic filter; None if it is valid.

    The limits of a topic do not include the start of a shared subscription:
    https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html#mqtt5-shared-subscription
    """
    topic_filter = shared_topic_filter(topic)
    if topic.startswith("$share/") and topic_filter is None:
        return failed(
            f"The shared subscription {topic!r} is not well-formed. {_CLOSES} subscribes to it.",
            resource=topic,
            fix="Use the form $share/NAME/FILTER. NAME has at most 128 characters and no + or #.",
        )
    try:
        check_topic_filter(topic_filter or topic)
        AwsIot.check_topic(topic_filter or topic)
    except TopicError as error:
        return failed(
            f"{str(error)[:1].upper()}{str(error)[1:]}. {_CLOSES} publishes or subscribes to it.",
            resource=topic,
            fix="Use another topic in the front end, and check it with --topic.",
        )
    if allowed_use(topic) is TopicUse.NOTHING:
        return failed(
            f"The topic {topic!r} is reserved: {_RESERVED_USES}. {_CLOSES} uses another one.",
            resource=topic,
            fix="Use a topic in the front end that does not begin with $, and check it with --topic.",
        )
    return None


def _warn_of_sharing(topic: str) -> Finding:
    """Return the warning for a shared subscription, which AWS IoT accepts.

    Amplify compares the topics of messages with the whole filter:
    https://github.com/aws-amplify/amplify-js/blob/0aea862d763234a2bf0f62e7282303ec6c90a310/packages/pubsub/src/Providers/MqttOverWS.ts
    """
    return warning(
        f"AWS IoT accepts the shared subscription {topic}, but Amplify PubSub does not deliver its messages, because "
        "their topics do not match the filter. pubsub_client and `pubsub subscribe` do not support it.",
        resource=topic,
        fix="Use an MQTT client that supports shared subscriptions, or subscribe to the topic filter "
        f"{shared_topic_filter(topic)}, which every client receives.",
    )


def _warn_of_literal(topic: str) -> Finding:
    """Return the warning for a topic with ``*``, the wildcard of policies."""
    return warning(
        f"{topic}: * is an ordinary character in MQTT. A subscription gets only messages whose topic contains it.",
        resource=topic,
        fix="Subscribe with MQTT's wildcards: + for one level, # for all levels that follow. Only policies have *.",
    )


def _with_use(topic: str) -> str:
    """Return a topic, followed by its use if it has only one."""
    use = allowed_use(topic)
    if use is TopicUse.PUBLISH:
        return f"{topic} (only to publish)"
    return f"{topic} (only to subscribe)" if use is TopicUse.SUBSCRIBE or "+" in topic or "#" in topic else topic


def _exceeded_limits(front_end: FrontEndConfig) -> dict[str, tuple[str, str]]:
    """Return the cause and the fix of each exceeded limit, by option."""
    problems = {}
    if (front_end.payload_bytes or 0) > PAYLOAD_BYTES:
        problems["--payload-bytes"] = (
            f"A message of {front_end.payload_bytes} bytes is longer than the {PAYLOAD_BYTES} that AWS IoT accepts: "
            f"{_CLOSES} publishes it.",
            "Split the message, or put its content into Amazon S3 and send the object's address.",
        )
    if (front_end.subscriptions or 0) > SUBSCRIPTIONS:
        problems["--subscriptions"] = (
            f"{front_end.subscriptions} subscriptions are more than the {SUBSCRIPTIONS} that AWS IoT accepts on a "
            "connection: it rejects the others, and Amplify does not report the rejections.",
            "Subscribe to topic filters with wildcards, or use a second connection.",
        )
    seconds, (shortest, longest) = front_end.keep_alive_seconds, KEEP_ALIVE_SECONDS
    if seconds is not None and not shortest <= seconds <= longest:
        cause = (
            f"AWS IoT uses {shortest} s instead of a keep-alive of {seconds} s: it detects a lost client later."
            if 0 < seconds < shortest
            else f"AWS IoT uses {longest} s instead of a keep-alive of {seconds} s: it disconnects a client that sends "
            "nothing for 1.5 times as long."
        )
        problems["--keep-alive"] = (cause, f"Set the front end's keep-alive to {shortest} to {longest} seconds.")
    return problems
