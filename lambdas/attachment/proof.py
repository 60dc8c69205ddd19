"""The challenge of the nested sign-in: what is signed, so that the trigger and the challenge function agree."""

from __future__ import annotations

import json
from typing import Final

ALGORITHM: Final = "HMAC_SHA_256"
"""The MAC algorithm of the KMS key; the key never leaves KMS."""


def message(*, user_pool_id: str, client_id: str, user_name: str, nonce: str) -> bytes:
    """Return the bytes under the MAC: they name the pool, the app client, the user and this one challenge.

    A JSON array keeps the parts apart whatever characters a user name holds. It stays far below the 4,096 bytes that
    KMS accepts (https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateMac.html).
    """
    return json.dumps(["amplify-pubsub nested sign-in", user_pool_id, client_id, user_name, nonce]).encode()
