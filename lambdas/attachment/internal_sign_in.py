"""The internal sign-in: an ID token for the user who is just signing in, obtained by proof and not by trust.

AWS IoT wants the *identity id*, only the identity pool knows it, and it tells it for an ID token alone. So the trigger
signs the same user in once more, on an app client whose challenge nobody but the trigger can answer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from attachment import proof
from attachment.errors import NewPasswordRequiredError, UnexpectedChallengeError

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_kms import KMSClient

NESTED = {"amplify-pubsub": "nested"}
"""ClientMetadata of the internal sign-in. It reaches the trigger that this sign-in fires, which returns at once.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminRespondToAuthChallenge.html
"""


class ClientSecrets:
    """The secrets of app clients, which Cognito wants proof of from whoever signs a user in on them.

    The internal client's secret keeps others from signing up on it and from having codes sent: these operations need no
    AWS credentials, and no flow of the client's turns them off. It proves nothing about who signs in: administrators
    and read-only staff can read it, and tokens are issued only for the MAC.

    Each execution environment reads a secret once and keeps it in its memory: reading app clients has a low quota,
    https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html
    """

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def hash(
        self, cognito: CognitoIdentityProviderClient, user_pool_id: str, client_id: str, user_name: str
    ) -> dict[str, str]:
        """Return the parameter ``SECRET_HASH`` of a call; nothing for an app client that has no secret.

        https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html#cognito-user-pools-computing-secret-hash

        Raises:
            botocore.exceptions.ClientError: Cognito refuses to describe the app client.
        """
        if client_id not in self._known:
            client = cognito.describe_user_pool_client(UserPoolId=user_pool_id, ClientId=client_id)["UserPoolClient"]
            self._known[client_id] = client.get("ClientSecret")
        secret = self._known[client_id]
        if secret is None:
            return {}
        mac = hmac.digest(secret.encode(), f"{user_name}{client_id}".encode(), hashlib.sha256)
        return {"SECRET_HASH": base64.b64encode(mac).decode()}

    def forget(self, client_id: str) -> None:
        """Read the secret of an app client anew the next time: somebody may have changed it."""
        self._known.pop(client_id, None)


@dataclass(frozen=True)
class InternalSignIn:
    """The clients and names a internal sign-in needs."""

    cognito: CognitoIdentityProviderClient
    answering: CognitoIdentityProviderClient
    """Makes one attempt only: an answer sent twice is refused the second time."""
    kms: KMSClient
    mac_key_id: str
    user_pool_id: str
    client_id: str
    secrets: ClientSecrets = field(repr=False)

    def id_token(self, user_name: str) -> str:
        """Sign the user in and return the ID token.

        Raises:
            NewPasswordRequiredError: Cognito still wants a new password first.
            UnexpectedChallengeError: Cognito asks for something else than the proof.
            KeyError: an answer lacks what it must have.
            botocore.exceptions.ClientError: Cognito or KMS refuses.
        """
        who = {
            "USERNAME": user_name,
            **self.secrets.hash(self.cognito, self.user_pool_id, self.client_id, user_name),
        }
        try:
            started = self.cognito.admin_initiate_auth(
                UserPoolId=self.user_pool_id, ClientId=self.client_id, AuthFlow="CUSTOM_AUTH", AuthParameters=who
            )
        except self.cognito.exceptions.NotAuthorizedException:
            self.secrets.forget(self.client_id)
            raise
        if started["ChallengeName"] != "CUSTOM_CHALLENGE":
            raise _unexpected(started["ChallengeName"])
        mac = self.kms.generate_mac(
            KeyId=self.mac_key_id,
            MacAlgorithm=proof.ALGORITHM,
            Message=proof.message(
                user_pool_id=self.user_pool_id,
                client_id=self.client_id,
                user_name=user_name,
                nonce=started["ChallengeParameters"]["nonce"],
            ),
        )["Mac"]
        answered = self.answering.admin_respond_to_auth_challenge(
            UserPoolId=self.user_pool_id,
            ClientId=self.client_id,
            ChallengeName="CUSTOM_CHALLENGE",
            ChallengeResponses={**who, "ANSWER": base64.b64encode(mac).decode()},
            Session=started["Session"],
            ClientMetadata=NESTED,
        )
        if "AuthenticationResult" not in answered:
            raise _unexpected(answered["ChallengeName"])
        return answered["AuthenticationResult"]["IdToken"]


def _unexpected(challenge: str) -> Exception:
    return NewPasswordRequiredError() if challenge == "NEW_PASSWORD_REQUIRED" else UnexpectedChallengeError(challenge)
