"""The internal sign-in: a CUSTOM_AUTH sign-in of the same user on the internal app client.

An IoT policy is attached to an *identity id*, which the identity pool returns only for an ID token. The trigger runs
before the user's own tokens exist. So it signs in the same user again, and answers the challenge with a MAC that only
trigger and worker can make. Does not import the AWS SDK.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from attachment.errors import NewPasswordRequiredError, UnexpectedChallengeError
from attachment.mac import generate_mac, sign_in_mac_input

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_kms import KMSClient

CLIENT_METADATA = {"amplify-pubsub": "internal-sign-in"}
"""ClientMetadata of the internal sign-in, by which the PostAuthentication trigger recognizes it and returns at once.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminRespondToAuthChallenge.html
"""


class ClientSecrets:
    """The secrets of app clients, in memory because DescribeUserPoolClient has a low quota.

    The internal client has a secret because strangers could otherwise sign up and request codes on it, which no setting
    of the client disables. Read-only staff can read the secret, so tokens also need the MAC.
    https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html
    """

    def __init__(self) -> None:
        self._secrets: dict[str, str | None] = {}

    def secret_hash(
        self, cognito: CognitoIdentityProviderClient, user_pool_id: str, client_id: str, user_name: str
    ) -> dict[str, str]:
        """Return the parameter ``SECRET_HASH`` for a call; empty for an app client without a secret.

        https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html#cognito-user-pools-computing-secret-hash
        """
        if client_id not in self._secrets:
            client = cognito.describe_user_pool_client(UserPoolId=user_pool_id, ClientId=client_id)["UserPoolClient"]
            self._secrets[client_id] = client.get("ClientSecret")
        secret = self._secrets[client_id]
        if secret is None:
            return {}
        digest = hmac.digest(secret.encode(), f"{user_name}{client_id}".encode(), hashlib.sha256)
        return {"SECRET_HASH": base64.b64encode(digest).decode()}

    def forget(self, client_id: str) -> None:
        """Read the secret again at the next use: it might have changed."""
        self._secrets.pop(client_id, None)


class InternalSignIn:
    """Signs in users on the internal app client.

    Args:
        cognito: the client of Cognito's user pools.
        cognito_once: a client without retries, because Cognito rejects a second answer to the same challenge.
        kms: the client of KMS.
        mac_key_id: the key of the MAC.
        secrets: keeps the app client's secret.
    """

    def __init__(
        self,
        *,
        cognito: CognitoIdentityProviderClient,
        cognito_once: CognitoIdentityProviderClient,
        kms: KMSClient,
        mac_key_id: str,
        secrets: ClientSecrets,
    ) -> None:
        self._cognito, self._cognito_once = cognito, cognito_once
        self._kms, self._mac_key_id = kms, mac_key_id
        self._secrets = secrets

    def id_token(self, user_pool_id: str, client_id: str, user_name: str) -> str:
        """Sign the user in, and return the ID token.

        Raises:
            NewPasswordRequiredError: the user's password is temporary.
            UnexpectedChallengeError: Cognito asks for another challenge.
            KeyError: a response lacks a member.
        """
        secret_hash = self._secrets.secret_hash(self._cognito, user_pool_id, client_id, user_name)
        user = {"USERNAME": user_name, **secret_hash}
        try:
            challenge = self._cognito.admin_initiate_auth(
                UserPoolId=user_pool_id, ClientId=client_id, AuthFlow="CUSTOM_AUTH", AuthParameters=user
            )
        except self._cognito.exceptions.NotAuthorizedException:
            self._secrets.forget(client_id)
            raise
        if challenge["ChallengeName"] != "CUSTOM_CHALLENGE":
            raise _unexpected(challenge["ChallengeName"])
        nonce = challenge["ChallengeParameters"]["nonce"]
        mac_input = sign_in_mac_input(user_pool_id=user_pool_id, client_id=client_id, user_name=user_name, nonce=nonce)
        mac = generate_mac(self._kms, self._mac_key_id, mac_input)
        result = self._cognito_once.admin_respond_to_auth_challenge(
            UserPoolId=user_pool_id,
            ClientId=client_id,
            ChallengeName="CUSTOM_CHALLENGE",
            ChallengeResponses={**user, "ANSWER": base64.b64encode(mac).decode()},
            Session=challenge["Session"],
            ClientMetadata=CLIENT_METADATA,
        )
        if "AuthenticationResult" not in result:
            raise _unexpected(result["ChallengeName"])
        return result["AuthenticationResult"]["IdToken"]


def _unexpected(challenge: str) -> Exception:
    return NewPasswordRequiredError() if challenge == "NEW_PASSWORD_REQUIRED" else UnexpectedChallengeError(challenge)
