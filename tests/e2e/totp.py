"""An authenticator app, and users who have one.

The time-based one-time password of RFC 6238, as Cognito takes it: six digits, 30 s, SHA-1.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time

import pytest
from pycognito.exceptions import SoftwareTokenMFAChallengeException

from tests.e2e.conftest import Deployment


def totp(secret: str) -> str:
    """Return the password of this moment for a secret in base 32."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.new(key, counter, hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"


def set_up_totp(deployment: Deployment, user_name: str) -> str:
    """Let a user set up one-time passwords as an authenticator app does, and return the secret."""
    users = deployment.public("cognito-idp")
    access_token = deployment.sign_in(user_name)["AccessToken"]
    secret = str(users.associate_software_token(AccessToken=access_token)["SecretCode"])
    users.verify_software_token(AccessToken=access_token, UserCode=totp(secret))
    users.set_user_mfa_preference(
        AccessToken=access_token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    return secret


def sign_in_with_totp(deployment: Deployment, user_name: str, secret: str) -> dict[str, str]:
    """Sign in with password and one-time password, and return Cognito's tokens."""
    with pytest.raises(SoftwareTokenMFAChallengeException) as asked:
        deployment.srp(user_name).authenticate_user()
    answer = deployment.public("cognito-idp").respond_to_auth_challenge(
        ClientId=deployment.client_id,
        ChallengeName="SOFTWARE_TOKEN_MFA",
        Session=asked.value.get_tokens()["Session"],
        ChallengeResponses={"USERNAME": user_name, "SOFTWARE_TOKEN_MFA_CODE": totp(secret)},
    )
    tokens: dict[str, str] = answer["AuthenticationResult"]
    return tokens
