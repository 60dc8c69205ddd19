"""What the answers to messages and subscriptions mean: nothing to tell, or an error that explains."""

from __future__ import annotations

from awscrt import mqtt5

from pubsub_client._link import SUCCESS, Answer, DroppedError, Packet
from pubsub_client._provider import Operation, Provider
from pubsub_client._refusal import reason_of, with_advice
from pubsub_client.exceptions import ConnectionLost, PublishRefused, SubscribeRefused

# How awscrt ends the name of an error of what the broker said it would not take when it let us in.
_NOT_TAKEN = "_VALIDATION"


def check_published(answer: Answer, packet: Packet, provider: Provider) -> None:
    """Check the answer to a message.

    Raises:
        PublishRefused: the broker refuses it.
        ConnectionLost: there is no answer.
    """
    if answer == SUCCESS or (answer.error is None and not answer.refused):
        return
    operation = Operation.PUBLISH_RETAINED if packet.retain else Operation.PUBLISH
    if answer.refused:
        raise PublishRefused(packet.topic, _why_not_granted(answer, provider, operation, packet.topic))
    if _is_not_taken(answer):
        raise PublishRefused(packet.topic, f"this broker takes no such message: {answer.error}") from answer.error
    raise ConnectionLost(_why_unanswered(answer, provider, operation, packet.topic)) from answer.error


def check_subscribed(answer: Answer, topic_filter: str, provider: Provider) -> None:
    """Check the answer to a subscription.

    Raises:
        SubscribeRefused: the broker refuses it.
        ConnectionLost: there is no answer.
    """
    if answer.refused:
        raise SubscribeRefused(topic_filter, _why_not_granted(answer, provider, Operation.SUBSCRIBE, topic_filter))
    if _is_not_taken(answer):
        raise SubscribeRefused(topic_filter, f"this broker takes no such filter: {answer.error}") from answer.error
    if answer.error:
        reason = _why_unanswered(answer, provider, Operation.SUBSCRIBE, topic_filter)
        raise ConnectionLost(reason) from answer.error


def _is_not_taken(answer: Answer) -> bool:
    return str(getattr(answer.error, "name", "")).endswith(_NOT_TAKEN)


def _why_not_granted(answer: Answer, provider: Provider, operation: Operation, resource: str) -> str:
    reason = reason_of(answer.code, answer.text)
    if answer.code == mqtt5.PubackReasonCode.NOT_AUTHORIZED:
        return f"{reason}: {provider.explain_denial(operation, resource)}"
    return with_advice(answer.code, reason)


def _why_unanswered(answer: Answer, provider: Provider, operation: Operation, resource: str) -> str:
    if not isinstance(answer.error, DroppedError):
        return f"no answer to {operation} {resource}: {answer.error}"
    if not answer.error.was_sent:
        return f"no {operation} {resource}: {answer.error}"
    return (
        f"the connection was lost while {operation} {resource}: {answer.error}. If that happens each time, "
        f"{provider.explain_denial(operation, resource)}"
    )
