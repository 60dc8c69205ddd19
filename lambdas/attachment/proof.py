"""What the MACs of the attachment functions are over, so that who makes one and who verifies it agree.

A JSON array keeps the parts apart whatever characters a user name holds; its first part keeps the two kinds apart. It
stays far below the 4,096 bytes that KMS accepts
(https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateMac.html).
"""

from __future__ import annotations

import json
from typing import Final

ALGORITHM: Final = "HMAC_SHA_256"
"""The MAC algorithm of the KMS key; the key never leaves KMS."""

MAC_BYTES = 32
"""The length of every such MAC."""


def message(*, user_pool_id: str, client_id: str, user_name: str, nonce: str) -> bytes:
    """Return what answers the challenge of an internal sign-in: pool, app client, user and nonce."""
    return json.dumps(["amplify-pubsub internal sign-in", user_pool_id, client_id, user_name, nonce]).encode()


def owed_message(*, user_pool_id: str, user_name: str, sub: str, identity_id: str, fingerprint: str) -> bytes:
    """Return what proves a queued attachment: the pool, the user, the identity found, and what is to be attached."""
    parts = [user_pool_id, user_name, sub, identity_id, fingerprint]
    return json.dumps(["amplify-pubsub pending attachment", *parts]).encode()
