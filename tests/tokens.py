"""The content of JWTs, and the one-time passwords of an authenticator app."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import time
from typing import Any


def claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT without checking its signature."""
    payload = token.split(".")[1]
    parsed: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return parsed


def totp(secret: str) -> str:
    """Return the current one-time password (RFC 6238: six digits, 30 s, SHA-1) for a secret in base 32."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.new(key, counter, hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"
