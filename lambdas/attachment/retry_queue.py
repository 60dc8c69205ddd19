"""The queue of attachments that are owed. Importing this module imports the AWS SDK.

An identity id in a message is believed only with a MAC over it, which nobody but trigger and worker can make: who can
write to the queue can have nobody attached but a user who could be attached by signing in. The MAC covers the
fingerprint, so that it ends with the policy it was made for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from attachment import proof

if TYPE_CHECKING:
    from attachment.owed import Owed

# The trigger's last second: a queue that hangs must not cost the sign-in, nor a key the message.
_sqs = boto3.client("sqs", config=Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1}))
_kms = boto3.client("kms", config=Config(connect_timeout=0.3, read_timeout=0.3, retries={"total_max_attempts": 1}))

_QUEUE_URL = os.environ["RETRY_QUEUE_URL"]
_MAC_KEY_ID = os.environ["MAC_KEY_ID"]
_FINGERPRINT = os.environ["ATTACHMENT_MARKER"]


def send(owed: Owed) -> None:
    """Put what is owed into the queue, with the identity id if it is known and the proof can be made.

    Raises:
        botocore.exceptions.BotoCoreError: no answer from the queue.
        botocore.exceptions.ClientError: it refuses.
        KeyError: it does not say that it has the message.
    """
    if owed.identity_id:
        try:
            owed.mac = _kms.generate_mac(KeyId=_MAC_KEY_ID, MacAlgorithm=proof.ALGORITHM, Message=_signed(owed))["Mac"]
        except (BotoCoreError, ClientError, KeyError):
            owed.mac = None
    # Without a message id the answer is not the queue's.
    _sqs.send_message(QueueUrl=_QUEUE_URL, MessageBody=owed.to_message())["MessageId"]


def is_proven(owed: Owed) -> bool:
    """Tell whether the identity id of a message is this user's.

    Raises:
        botocore.exceptions.BotoCoreError: no answer from KMS.
        botocore.exceptions.ClientError: KMS refuses for another reason than a wrong MAC.
    """
    if owed.identity_id is None or owed.mac is None or len(owed.mac) != proof.MAC_BYTES:
        return False
    try:
        answer = _kms.verify_mac(KeyId=_MAC_KEY_ID, MacAlgorithm=proof.ALGORITHM, Message=_signed(owed), Mac=owed.mac)
    except _kms.exceptions.KMSInvalidMacException:
        return False
    return answer["MacValid"] is True


def _signed(owed: Owed) -> bytes:
    return proof.owed_message(
        user_pool_id=owed.user_pool_id,
        user_name=owed.user_name,
        identity_id=owed.identity_id or "",
        fingerprint=_FINGERPRINT,
    )
