"""The queue of attachments that are owed. Importing this module imports the AWS SDK.

An identity id in a message is believed only with a MAC over it, which nobody but trigger and worker can make: who can
write to the queue can have nobody attached but a user who could be attached by signing in. The MAC covers the
``sub``, so that it is of no use to a later user of the same name, and the fingerprint, so that it ends with the policy
it was made for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from botocore.config import Config

from attachment import proof

if TYPE_CHECKING:
    import boto3

    from attachment.owed import Owed

# The trigger's last second.
_SQS_CONFIG = Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1})
_KMS_CONFIG = Config(connect_timeout=0.3, read_timeout=0.3, retries={"total_max_attempts": 1})

_QUEUE_URL = os.environ["RETRY_QUEUE_URL"]
_MAC_KEY_ID = os.environ["MAC_KEY_ID"]
_FINGERPRINT = os.environ["ATTACHMENT_MARKER"]


class OwedQueue:
    """The retry queue as trigger and worker use it.

    Args:
        session: makes the clients.
    """

    def __init__(self, session: boto3.Session) -> None:
        self._sqs = session.client("sqs", config=_SQS_CONFIG)
        self._kms = session.client("kms", config=_KMS_CONFIG)

    def prove(self, owed: Owed) -> bytes:
        """Return the MAC over the identity id that was found, which makes the message's claim good.

        Raises:
            botocore.exceptions.BotoCoreError: no answer from KMS.
            botocore.exceptions.ClientError: it refuses.
            KeyError: its answer holds no MAC.
        """
        answer = self._kms.generate_mac(KeyId=_MAC_KEY_ID, MacAlgorithm=proof.ALGORITHM, Message=_signed(owed))
        return answer["Mac"]

    def send(self, owed: Owed) -> None:
        """Put what is owed into the queue.

        Raises:
            botocore.exceptions.BotoCoreError: no answer from the queue.
            botocore.exceptions.ClientError: it refuses.
            KeyError: it does not say that it has the message.
        """
        # Without a message id the answer is not the queue's.
        self._sqs.send_message(QueueUrl=_QUEUE_URL, MessageBody=owed.to_message())["MessageId"]

    def is_proven(self, owed: Owed) -> bool:
        """Tell whether the identity id of a message is this user's.

        Raises:
            botocore.exceptions.BotoCoreError: no answer from KMS.
            botocore.exceptions.ClientError: KMS refuses for another reason than a wrong MAC.
        """
        if owed.sub is None or owed.identity_id is None or owed.mac is None or len(owed.mac) != proof.MAC_BYTES:
            return False
        try:
            answer = self._kms.verify_mac(
                KeyId=_MAC_KEY_ID, MacAlgorithm=proof.ALGORITHM, Message=_signed(owed), Mac=owed.mac
            )
        except self._kms.exceptions.KMSInvalidMacException:
            return False
        return answer["MacValid"] is True


def _signed(owed: Owed) -> bytes:
    return proof.owed_message(
        user_pool_id=owed.user_pool_id,
        user_name=owed.user_name,
        sub=owed.sub or "",
        identity_id=owed.identity_id or "",
        fingerprint=_FINGERPRINT,
    )
