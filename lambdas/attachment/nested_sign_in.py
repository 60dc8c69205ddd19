"""The nested sign-in: an ID token for the user who is just signing in, obtained by proof and not by trust.

AWS IoT wants the *identity id*, only the identity pool knows it, and it tells it for an ID token alone. So the trigger
signs the same user in once more, on an app client whose challenge nobody but the trigger can answer.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attachment import proof
from attachment.errors import NewPasswordRequiredError, UnexpectedChallengeError

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_kms import KMSClient

NESTED = {"amplify-pubsub": "nested"}
"""ClientMetadata of the nested sign-in. It reaches the trigger that the nested sign-in fires, which returns at once.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminRespondToAuthChallenge.html
"""


@dataclass(frozen=True)
class NestedSignIn:
    """The clients and names a nested sign-in needs."""

    cognito: CognitoIdentityProviderClient
    answering: CognitoIdentityProviderClient
    """Makes one attempt only: an answer sent twice is refused the second time."""
    kms: KMSClient
    mac_key_id: str
    user_pool_id: str
    client_id: str

    def id_token(self, user_name: str) -> str:
        """Sign the user in and return the ID token.

        Raises:
            NewPasswordRequiredError: Cognito still wants a new password first.
            UnexpectedChallengeError: Cognito asks for something else than the proof.
            KeyError: an answer lacks what it must have.
            botocore.exceptions.ClientError: Cognito or KMS refuses.
        """
        started = self.cognito.admin_initiate_auth(
            UserPoolId=self.user_pool_id,
            ClientId=self.client_id,
            AuthFlow="CUSTOM_AUTH",
            AuthParameters={"USERNAME": user_name},
        )
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
            ChallengeResponses={"USERNAME": user_name, "ANSWER": base64.b64encode(mac).decode()},
            Session=started["Session"],
            ClientMetadata=NESTED,
        )
        if "AuthenticationResult" not in answered:
            raise _unexpected(answered["ChallengeName"])
        return answered["AuthenticationResult"]["IdToken"]


def _unexpected(challenge: str) -> Exception:
    return NewPasswordRequiredError() if challenge == "NEW_PASSWORD_REQUIRED" else UnexpectedChallengeError(challenge)
