"""A sign-in at a user pool with SRP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pycognito.aws_srp import AWSSRP

from pubsub_client.exceptions import SignInError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEMPORARY = (
    "the user still has a temporary password: have the user choose one, or set a permanent one with "
    "AdminSetUserPassword"
)
_SECOND_FACTOR = "the user has a second factor, which this session does not ask for: sign the user in elsewhere"
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
_CHALLENGES = {
    "NEW_PASSWORD_REQUIRED": _TEMPORARY,
    "SMS_MFA": _SECOND_FACTOR,
    "SOFTWARE_TOKEN_MFA": _SECOND_FACTOR,
    "EMAIL_OTP": _SECOND_FACTOR,
    "SELECT_MFA_TYPE": _SECOND_FACTOR,
    "MFA_SETUP": "the user pool demands a second factor, which the user has not set up yet",
}
SECOND_FACTOR_CHALLENGES = _CHALLENGES.keys() - {"NEW_PASSWORD_REQUIRED"}
"""The challenges that end a sign-in here because only the user can answer them."""


def sign_in_with_srp(
    client: Any, user_pool_id: str, client_id: str, user_name: str, password: str
) -> Mapping[str, Any]:
    """Answer the one challenge of SRP, and return the AuthenticationResult; the password never leaves this process.

    Raises:
        SignInError: Cognito asks for more than the password.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: it refuses, or cannot be reached.
    """
    srp = AWSSRP(user_name, password, user_pool_id, client_id, client=client)
    parameters = srp.get_auth_params()
    answer = client.initiate_auth(ClientId=client_id, AuthFlow="USER_SRP_AUTH", AuthParameters=parameters)
    _expect(answer.get("ChallengeName"), "PASSWORD_VERIFIER")
    answer = client.respond_to_auth_challenge(
        ClientId=client_id,
        ChallengeName="PASSWORD_VERIFIER",
        ChallengeResponses=srp.process_challenge(answer["ChallengeParameters"], parameters),
    )
    _expect(answer.get("ChallengeName"), None)
    result: Mapping[str, Any] = answer["AuthenticationResult"]
    return result


def _expect(challenge: str | None, expected: str | None) -> None:
    if challenge != expected:
        name = challenge or "no challenge"
        raise SignInError(name, _CHALLENGES.get(name, "this session cannot answer it"))
