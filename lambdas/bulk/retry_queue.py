"""The retry queue as bulk work sees it: its worker goes first, and can be given every user of the user pool.

The worker's internal sign-in finds users who have no identity yet. Importing this module imports the AWS SDK.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import boto3

from attachment.limits import limits
from attachment.marker import Marker
from attachment.owed import Owed
from attachment.pace import Pace

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import AttributeTypeTypeDef

# The most that each takes: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
_PAGE, _BATCH = 60, 10
_PAGES_PER_SECOND = 5.0
_BEHIND_SECONDS = 30
_LOOK_EVERY_SECONDS = 10.0


class NotQueuedError(Exception):
    """SQS did not take every message of a batch."""


class RetryQueue:
    """The queue of the function's environment."""

    def __init__(self) -> None:
        self._sqs = boto3.client("sqs", config=limits(attempts=5))
        self._users = boto3.client("cognito-idp", config=limits(attempts=5))
        self._url = os.environ["RETRY_QUEUE_URL"]
        self._user_pool_id = os.environ["USER_POOL_ID"]
        self._marker_attribute = os.environ["MARKER_ATTRIBUTE"]
        self._fingerprint = os.environ["ATTACHMENT_MARKER"]
        self._too_many = _BEHIND_SECONDS * float(os.environ["RETRY_PER_SECOND"])
        self._pace = Pace.at(_PAGES_PER_SECOND)
        self._looked_at = float("-inf")
        self._is_behind = False

    def is_behind(self) -> bool:
        """Tell whether the queue holds more than its worker attaches in half a minute; looks every ten seconds.

        Raises:
            botocore.exceptions.ClientError: AWS refuses.
        """
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_EVERY_SECONDS:
            self._looked_at = now
            answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"])
            self._is_behind = int(answer["Attributes"]["ApproximateNumberOfMessages"]) > self._too_many
        return self._is_behind

    def fill(self, token: str | None) -> tuple[int, str | None]:
        """Queue those users of a page of the user pool who can sign in and are not marked as attached.

        Args:
            token: Cognito's for the page; None for the first.

        Returns:
            How many were queued, and the token for the next page; None after the last.

        Raises:
            NotQueuedError: SQS left messages out; the page is queued again.
            botocore.exceptions.ClientError: AWS refuses.
        """
        self._pace.wait()
        given = {"PaginationToken": token} if token else {}
        page = self._users.list_users(UserPoolId=self._user_pool_id, Limit=_PAGE, **given)
        messages = [
            Owed(self._user_pool_id, user["Username"], _sub(user["Attributes"])).to_message()
            for user in page["Users"]
            if user["Enabled"] and user["UserStatus"] == "CONFIRMED" and not self._is_marked(user["Attributes"])
        ]
        for first in range(0, len(messages), _BATCH):
            batch = messages[first : first + _BATCH]
            answer = self._sqs.send_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(batch)],
            )
            if len(answer.get("Successful", [])) < len(batch):
                raise NotQueuedError
        return len(messages), page.get("PaginationToken")

    def _is_marked(self, attributes: list[AttributeTypeTypeDef]) -> bool:
        values = {each["Name"]: each.get("Value", "") for each in attributes}
        marker = Marker.parse(values.get(self._marker_attribute, ""))
        return marker is not None and marker.fingerprint == self._fingerprint


def _sub(attributes: list[AttributeTypeTypeDef]) -> str | None:
    return next((each.get("Value") for each in attributes if each["Name"] == "sub"), None)
