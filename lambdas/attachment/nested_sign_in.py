"""The nested sign-in: an ID token for the user who is just signing in, obtained by proof and not by trust.

AWS IoT wants the *identity id*, only the identity pool knows it, and it tells it for an ID token alone. So the trigger
signs the same user in once more, on an app client whose challenge nobody but the trigger can answer.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attachment import proof

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_kms import KMSClient

NESTED = {"amplify-pubsub": "nested"}
"""ClientMetadata of the nested sign-in. It reaches the trigger that the nested sign-in fires, which returns at once.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminRespondToAuthChallenge.html
"""


class UnexpectedChallengeError(Exception):
    """Cognito asks this user something else first (a new password, a second factor), which nobody can answer here."""

    def __init__(self, challenge: str) -> None:
        super().__init__(challenge)
        self.challenge = challenge


@dataclass(frozen=True)
class NestedSignIn:
    """The clients and names a nested sign-in needs."""

    cognito: CognitoIdentityProviderClient
    kms: KMSClient
    mac_key_id: str
    user_pool_id: str
    client_id: str

    def id_token(self, user_name: str) -> str:
        """Sign the user in and return the ID token.

        Raises:
            UnexpectedChallengeError: Cognito asks for something other than the proof.
            botocore.exceptions.ClientError: Cognito or KMS refuses.
        """
        started = self.cognito.admin_initiate_auth(
            UserPoolId=self.user_pool_id,
            ClientId=self.client_id,
            AuthFlow="CUSTOM_AUTH",
            AuthParameters={"USERNAME": user_name},
        )
        if started.get("ChallengeName") != "CUSTOM_CHALLENGE":
            raise UnexpectedChallengeError(started.get("ChallengeName", "none"))
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
        answered = self.cognito.admin_respond_to_auth_challenge(
            UserPoolId=self.user_pool_id,
            ClientId=self.client_id,
            ChallengeName="CUSTOM_CHALLENGE",
            ChallengeResponses={"USERNAME": user_name, "ANSWER": base64.b64encode(mac).decode()},
            Session=started["Session"],
            ClientMetadata=NESTED,
        )
        if "AuthenticationResult" not in answered:
            raise UnexpectedChallengeError(answered.get("ChallengeName", "none"))
        return answered["AuthenticationResult"]["IdToken"]
