"""A WebSocket upgrade to AWS IoT must be signed.

ministack checks a signature that is there and lets in who brings none.
https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html (MQTT over WebSocket Secure, Signature Version 4)
"""

from __future__ import annotations

from typing import Any

from ministack.core.iam_evaluator import AuthError
from ministack.services import iot


def install() -> None:
    """Refuse the upgrade that ministack found no credential on."""
    check = iot._ws_handshake_check

    def handshake_check(scope: dict[str, Any]) -> Any:
        return check(scope) or AuthError("MissingAuthenticationToken", "Missing Authentication Token")

    iot._ws_handshake_check = handshake_check
