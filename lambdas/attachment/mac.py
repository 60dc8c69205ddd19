"""MACs made with a KMS key: the answer to an internal sign-in's challenge, and the proof in a queued message.

Only the roles of trigger and worker can make them. The input is a JSON array, so its parts stay separate whatever
characters a user name has. Its first part separates the two kinds. It stays far below KMS's limit of 4,096 bytes:
https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateMac.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient

ALGORITHM: Final = "HMAC_SHA_256"
MAC_BYTES = 32
"""The length of every MAC."""


def sign_in_mac_input(*, user_pool_id: str, client_id: str, user_name: str, nonce: str) -> bytes:
    """Return the input of the MAC that answers a challenge."""
    return json.dumps(["amplify-pubsub internal sign-in", user_pool_id, client_id, user_name, nonce]).encode()


def pending_mac_input(*, user_pool_id: str, user_name: str, sub: str, identity_id: str, fingerprint: str) -> bytes:
    """Return the input of the MAC in a queued message."""
    parts = [user_pool_id, user_name, sub, identity_id, fingerprint]
    return json.dumps(["amplify-pubsub pending attachment", *parts]).encode()


def generate_mac(kms: KMSClient, key_id: str, mac_input: bytes) -> bytes:
    """Make a MAC.

    Raises:
        KeyError: the response has no MAC.
    """
    return kms.generate_mac(KeyId=key_id, MacAlgorithm=ALGORITHM, Message=mac_input)["Mac"]


def verify_mac(kms: KMSClient, key_id: str, mac_input: bytes, mac: bytes) -> bool:
    """Return whether the MAC was made over this input.

    Raises:
        botocore.exceptions.ClientError: KMS refused, and not because the MAC is wrong.
    """
    if len(mac) != MAC_BYTES:
        return False
    try:
        response = kms.verify_mac(KeyId=key_id, MacAlgorithm=ALGORITHM, Message=mac_input, Mac=mac)
    except kms.exceptions.KMSInvalidMacException:
        return False
    return response["MacValid"] is True
