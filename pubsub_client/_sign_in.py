"""Sign-in to a user pool, with a password by SRP or with a one-time code.

https://docs.aws.amazon.com/cognito/latest/developerguide/authentication-flows-selection-sdk.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from pubsub_client.exceptions import SignInError

_TEMPORARY = (
    "the user has a temporary password; let the user choose a new one, or set a permanent one with AdminSetUserPassword"
)
_MFA = (
    "the user has MFA, which CognitoSession does not support; sign the user in by other code, and call use_id_token()"
)
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
_CHALLENGES = {
    "NEW_PASSWORD_REQUIRED": _TEMPORARY,
    "SMS_MFA": _MFA,
    "SOFTWARE_TOKEN_MFA": _MFA,
    "EMAIL_OTP": _MFA,
    "SELECT_MFA_TYPE": _MFA,
    "MFA_SETUP": "the user pool requires MFA, but the user has not set it up",
}
MFA_CHALLENGES = _CHALLENGES.keys() - {"NEW_PASSWORD_REQUIRED"}
"""The MFA challenges, which only the user can answer."""
SELECT_CHALLENGE = "SELECT_CHALLENGE"
"""Cognito's challenge if the user cannot sign in with the requested factor, for example without a password."""


class CodeFactor(StrEnum):
    """How Cognito sends a one-time code."""

    EMAIL = "EMAIL_OTP"
    SMS = "SMS_OTP"


@dataclass(frozen=True)
class SentCode:
    """A sign-in that waits for the one-time code.

    Args:
        user_name: the user.
        factor: how the code was sent.
        session: Cognito's id of this sign-in.
        destination: the address of the code, masked by Cognito.
    """

    user_name: str
    factor: CodeFactor
    session: str = field(repr=False)
    destination: str


def sign_in_with_srp(
    client: Any, user_pool_id: str, client_id: str, user_name: str, password: str
) -> Mapping[str, Any]:
    """Sign in by SRP, which does not send the password, and return the AuthenticationResult.

    If the app client does not allow ``USER_SRP_AUTH``, choice-based sign-in is used.

    Raises:
        SignInError: Cognito requires more than the password, or the app client allows neither flow.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: Cognito returned an error, or cannot be
            reached.
    """
    from pycognito.aws_srp import AWSSRP  # imports requests, jwt and cryptography

    srp = AWSSRP(user_name, password, user_pool_id, client_id, client=client)
    parameters = srp.get_auth_params()
    try:
        response = client.initiate_auth(ClientId=client_id, AuthFlow="USER_SRP_AUTH", AuthParameters=parameters)
    except ClientError as error:
        if not _is_flow_not_enabled(error):
            raise
        response = _choose(client, client_id, {**parameters, "PREFERRED_CHALLENGE": "PASSWORD_SRP"})
    _expect(response, "PASSWORD_VERIFIER")
    # Only choice-based sign-in has a session here.
    session = {"Session": response["Session"]} if response.get("Session") else {}
    response = client.respond_to_auth_challenge(
        ClientId=client_id,
        ChallengeName="PASSWORD_VERIFIER",
        ChallengeResponses=srp.process_challenge(response["ChallengeParameters"], parameters),
        **session,
    )
    return _result(response)


def send_code(client: Any, client_id: str, user_name: str, factor: CodeFactor) -> SentCode:
    """Let Cognito send a one-time code to the user.

    Raises:
        SignInError: the user cannot sign in with this factor, or the app client does not allow choice-based sign-in.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: Cognito returned an error, or cannot be
            reached.
    """
    response = _choose(client, client_id, {"USERNAME": user_name, "PREFERRED_CHALLENGE": str(factor)})
    _expect(response, factor)
    destination = response.get("ChallengeParameters", {}).get("CODE_DELIVERY_DESTINATION", "")
    return SentCode(user_name, factor, response["Session"], destination)


def answer_code(client: Any, client_id: str, sent: SentCode, code: str) -> Mapping[str, Any]:
    """Send the code to Cognito, and return the AuthenticationResult.

    Raises:
        SignInError: Cognito requires more than the code.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: Cognito returned an error, or cannot be
            reached.
    """
    response = client.respond_to_auth_challenge(
        ClientId=client_id,
        ChallengeName=str(sent.factor),
        Session=sent.session,
        ChallengeResponses={"USERNAME": sent.user_name, f"{sent.factor}_CODE": code},
    )
    return _result(response)


def _choose(client: Any, client_id: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        response: Mapping[str, Any] = client.initiate_auth(
            ClientId=client_id, AuthFlow="USER_AUTH", AuthParameters=parameters
        )
    except ClientError as error:
        if not _is_flow_not_enabled(error):
            raise
        flows = "neither ALLOW_USER_SRP_AUTH nor ALLOW_USER_AUTH" if "SRP_A" in parameters else "no ALLOW_USER_AUTH"
        raise SignInError(
            error.response["Error"]["Code"],
            f"app client {client_id} allows {flows}; add ALLOW_USER_AUTH to its ExplicitAuthFlows",
        ) from error
    return response


def _is_flow_not_enabled(error: ClientError) -> bool:
    refusal = error.response["Error"]
    return refusal["Code"] == "InvalidParameterException" and "not enabled" in refusal.get("Message", "")


def _expect(response: Mapping[str, Any], expected: str | None) -> None:
    challenge = response.get("ChallengeName")
    if challenge == expected:
        return
    if challenge == SELECT_CHALLENGE:
        offered = ", ".join(response.get("AvailableChallenges", [])) or "nothing"
        wanted = "a password" if expected == "PASSWORD_VERIFIER" else str(expected)
        raise SignInError(
            SELECT_CHALLENGE,
            f"the user cannot sign in with {wanted}; the user pool offers {offered}. Use sign_in_with_code() for "
            "EMAIL_OTP and SMS_OTP, and sign_in() for passwords. Passkeys are not supported",
        )
    name = challenge or "no challenge"
    raise SignInError(name, _CHALLENGES.get(name, "CognitoSession does not support this challenge"))


def _result(response: Mapping[str, Any]) -> Mapping[str, Any]:
    _expect(response, None)
    result: Mapping[str, Any] = response["AuthenticationResult"]
    return result
