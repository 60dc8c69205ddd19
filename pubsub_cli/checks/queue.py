"""How much a queue holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


def messages_in(sqs: SQSClient, queue_url: str) -> int:
    """Return about how many messages a queue holds, those that somebody works on or has put off too.

    Raises:
        botocore.exceptions.ClientError: the queue may not be asked.
    """
    answer = sqs.get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return sum(int(count) for count in answer["Attributes"].values())
