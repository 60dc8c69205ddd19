"""A WebSocket upgrade to AWS IoT must be signed.

ministack checks a signature that is there and lets in who brings none. What it checks is as on AWS: the
session token stands anywhere in the query string and is not signed. Amplify JS appends it after signing, and
the AWS IoT device SDKs sign with ``omit_session_token=True``.
https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html#mqtt-ws
https://github.com/aws/aws-iot-device-sdk-python-v2/blob/main/awsiot/mqtt5_client_builder.py
"""

from __future__ import annotations

from typing import Any

from ministack.core.iam_evaluator import AuthError
from ministack.services import iot

NEEDS = {iot: ("_ws_handshake_check",)}


def install() -> None:
    """Refuse the upgrade that ministack found no credential on; it answers 403."""
    check = iot._ws_handshake_check

    def handshake_check(scope: dict[str, Any]) -> Any:
        return check(scope) or AuthError("MissingAuthenticationToken", "Missing Authentication Token")

    iot._ws_handshake_check = handshake_check
