"""Pending attachments, and the retry queue that keeps them. Does not import the AWS SDK.

The worker accepts an identity id from a message only with a MAC over it. A principal that can write to the queue can
therefore cause only attachments that a sign-in would make too. The MAC covers the ``sub``, so it is not valid for a
later user of the same name. It covers the fingerprint, so it is valid for only one policy.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attachment.mac import generate_mac, pending_mac_input, verify_mac

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient
    from types_boto3_sqs import SQSClient

_VERSION = 1


class UnreadableMessageError(Exception):
    """The message in the queue does not have our format."""


@dataclass
class PendingAttachment:
    """An attachment that is still to be made."""

    user_pool_id: str
    user_name: str
    """The event's ``userName``, unchanged, so that aliases and letter case do not matter."""
    sub: str | None = None
    """The user's immutable id, because another user can get the name later; None if unknown."""
    identity_id: str | None = None
    """None until it was found."""
    mac: bytes | None = None
    """Proves that the trigger found this identity id for this user."""

    def to_message(self) -> str:
        """Return the message. It contains the identity id only together with the MAC."""
        return json.dumps(
            {
                "version": _VERSION,
                "userPoolId": self.user_pool_id,
                "userName": self.user_name,
                "sub": self.sub,
                "identityId": self.identity_id if self.mac else None,
                "mac": base64.b64encode(self.mac).decode() if self.mac else None,
            }
        )

    @classmethod
    def parse(cls, message: str) -> PendingAttachment:
        """Parse a message without verifying its MAC.

        Raises:
            UnreadableMessageError: the message does not have our format.
        """
        try:
            values = json.loads(message)
            if values["version"] != _VERSION:
                raise UnreadableMessageError
            pool, name = _text(values["userPoolId"]), _text(values["userName"])
            sub, identity_id, mac = (_optional_text(values[key]) for key in ("sub", "identityId", "mac"))
            return cls(pool, name, sub, identity_id, None if mac is None else base64.b64decode(mac, validate=True))
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise UnreadableMessageError from None


class PendingQueue:
    """The retry queue, for trigger and worker.

    Args:
        sqs: the client of SQS.
        kms: the client of KMS.
    """

    def __init__(self, sqs: SQSClient, kms: KMSClient) -> None:
        self._sqs, self._kms = sqs, kms
        self._url = os.environ["RETRY_QUEUE_URL"]
        self._mac_key_id = os.environ["MAC_KEY_ID"]
        self._fingerprint = os.environ["ATTACHMENT_MARKER"]

    def generate_mac(self, pending: PendingAttachment) -> bytes:
        """Return the MAC over user and identity id; see :func:`attachment.mac.generate_mac`."""
        return generate_mac(self._kms, self._mac_key_id, self._mac_input(pending))

    def send(self, pending: PendingAttachment) -> None:
        """Queue the attachment.

        Raises:
            KeyError: the response has no message id.
        """
        self._sqs.send_message(QueueUrl=self._url, MessageBody=pending.to_message())["MessageId"]

    def is_verified(self, pending: PendingAttachment) -> bool:
        """Return whether the MAC proves that the identity is this user's; see :func:`attachment.mac.verify_mac`."""
        if pending.sub is None or pending.identity_id is None or pending.mac is None:
            return False
        return verify_mac(self._kms, self._mac_key_id, self._mac_input(pending), pending.mac)

    def _mac_input(self, pending: PendingAttachment) -> bytes:
        return pending_mac_input(
            user_pool_id=pending.user_pool_id,
            user_name=pending.user_name,
            sub=pending.sub or "",
            identity_id=pending.identity_id or "",
            fingerprint=self._fingerprint,
        )


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise UnreadableMessageError
    return value


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)
