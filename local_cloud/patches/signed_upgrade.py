"""A WebSocket upgrade to AWS IoT must be signed.

ministack checks a signature that is there and lets in who brings none. The root user's key it takes at its word, as
for every service. What it checks is as on AWS: the
session token stands anywhere in the query string and is not signed. Amplify JS appends it after signing, and
the AWS IoT device SDKs sign with ``omit_session_token=True``.
https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html#mqtt-ws
https://github.com/aws/aws-iot-device-sdk-python-v2/blob/main/awsiot/mqtt5_client_builder.py
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from ministack.core.iam_evaluator import AuthError, is_root_access_key
from ministack.core.router import extract_access_key_id
from ministack.services import iot

NEEDS = {iot: ("_ws_handshake_check",)}


def install() -> None:
    """Refuse the upgrade that ministack found no credential on; it answers 403."""
    check = iot._ws_handshake_check

    def handshake_check(scope: dict[str, Any]) -> Any:
        checked = check(scope)
        if checked is None and not _names_root_key(scope):
            return AuthError("MissingAuthenticationToken", "Missing Authentication Token")
        return checked

    iot._ws_handshake_check = handshake_check


def _names_root_key(scope: dict[str, Any]) -> bool:
    access_key_id = extract_access_key_id({}, parse_qs(scope["query_string"].decode("latin-1")))
    return bool(access_key_id) and bool(is_root_access_key(access_key_id))
