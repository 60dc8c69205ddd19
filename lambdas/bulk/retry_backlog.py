"""The retry queue, for the sweep. Its messages have priority, and the sweep can add the users of the user pool.

The internal sign-in of the worker creates the identities of users who have none yet. Imports the AWS SDK.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import boto3

from attachment.clients import limits
from attachment.marker import Marker
from attachment.pending import PendingAttachment
from attachment.retries import RateLimiter

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import UserTypeTypeDef

# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
_MAX_USERS, _MAX_BATCH = 60, 10
_PAGES_PER_SECOND = 5.0
_BACKLOG_SECONDS = 30
_POLL_SECONDS = 10.0


class NotQueuedError(Exception):
    """SQS did not accept every message of a batch."""


class RetryBacklog:
    """The retry queue that the function's environment names."""

    def __init__(self) -> None:
        self._sqs = boto3.client("sqs", config=limits(attempts=5))
        self._users = boto3.client("cognito-idp", config=limits(attempts=5))
        self._url = os.environ["RETRY_QUEUE_URL"]
        self._user_pool_id = os.environ["USER_POOL_ID"]
        self._marker_attribute = os.environ["MARKER_ATTRIBUTE"]
        self._fingerprint = os.environ["ATTACHMENT_MARKER"]
        self._max_messages = _BACKLOG_SECONDS * float(os.environ["RETRY_PER_SECOND"])
        self._rate_limiter = RateLimiter(_PAGES_PER_SECOND)
        self._polled_at = float("-inf")
        self._is_behind = False

    def is_behind(self) -> bool:
        """Return whether the queue has more messages than the worker processes in 30 s; polls SQS every 10 s."""
        now = time.monotonic()
        if now - self._polled_at >= _POLL_SECONDS:
            self._polled_at = now
            queue = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"])
            self._is_behind = int(queue["Attributes"]["ApproximateNumberOfMessages"]) > self._max_messages
        return self._is_behind

    def queue_users(self, token: str | None) -> tuple[int, str | None]:
        """Queue one page of users of the user pool, except those who cannot sign in or have a marker.

        Args:
            token: Cognito's token of the page; None for the first.

        Returns:
            The number of queued users, and the token of the next page; None after the last.

        Raises:
            NotQueuedError: SQS did not accept all messages, so the page must be queued again.
        """
        self._rate_limiter.wait()
        next_token = {"PaginationToken": token} if token else {}
        page = self._users.list_users(UserPoolId=self._user_pool_id, Limit=_MAX_USERS, **next_token)
        messages = [message for user in page["Users"] if (message := self._message(user))]
        for first in range(0, len(messages), _MAX_BATCH):
            batch = messages[first : first + _MAX_BATCH]
            response = self._sqs.send_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(batch)],
            )
            if len(response.get("Successful", [])) < len(batch):
                raise NotQueuedError
        return len(messages), page.get("PaginationToken")

    def _message(self, user: UserTypeTypeDef) -> str | None:
        attributes = {each["Name"]: each.get("Value", "") for each in user["Attributes"]}
        marker = Marker.parse(attributes.get(self._marker_attribute, ""))
        is_marked = marker is not None and marker.fingerprint == self._fingerprint
        if is_marked or not user["Enabled"] or user["UserStatus"] != "CONFIRMED":
            return None
        return PendingAttachment(self._user_pool_id, user["Username"], attributes.get("sub")).to_message()
