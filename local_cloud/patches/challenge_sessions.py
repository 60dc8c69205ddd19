"""A new password or second factor is answered with the session of its challenge, which is good once and for its user.

ministack hands sessions out and never asks for them: a user name alone sets a new password, a one-time code alone
signs in. It is good for the app client's ``AuthSessionValidity``.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html
https://repost.aws/questions/QUXOn0iCq-TNavGxtuFc7DGA
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

Operation = Callable[[dict[str, Any]], Any]

_CHALLENGES = {"NEW_PASSWORD_REQUIRED", "SOFTWARE_TOKEN_MFA", "SMS_MFA", "MFA_SETUP"}
"""The challenges that ministack does not tie to a session itself."""


@dataclass(frozen=True)
class _Session:
    client_id: str
    challenge: str
    user_name: str | None
    expires_at: float


_sessions: dict[str, _Session] = {}


def install() -> None:
    """Remember the sessions handed out, and ask for them."""
    cognito._initiate_auth = _remembering(cognito._initiate_auth)
    cognito._admin_initiate_auth = _remembering(cognito._admin_initiate_auth)
    cognito._respond_to_auth_challenge = _asking(_remembering(cognito._respond_to_auth_challenge))
    cognito._admin_respond_to_auth_challenge = _asking(_remembering(cognito._admin_respond_to_auth_challenge))


def _remembering(operation: Operation) -> Operation:
    def with_memory(data: dict[str, Any]) -> Any:
        answer = operation(data)
        asked = json.loads(answer[2])
        if asked.get("ChallengeName") in _CHALLENGES:
            client_id = data["ClientId"]
            pool, _ = cognito._pool_for_client(client_id)
            minutes = pool["_clients"][client_id]["AuthSessionValidity"]
            _sessions[asked["Session"]] = _Session(
                client_id,
                asked["ChallengeName"],
                _own_name(client_id, asked["ChallengeParameters"]["USER_ID_FOR_SRP"]),
                time.time() + minutes * 60,
            )
        return answer

    return with_memory


def _asking(operation: Operation) -> Operation:
    def with_session(data: dict[str, Any]) -> Any:
        if data.get("ChallengeName") not in _CHALLENGES:
            return operation(data)
        session = _sessions.get(data.get("Session", ""))
        name = _own_name(data["ClientId"], data.get("ChallengeResponses", {}).get("USERNAME"))
        if not session or (session.client_id, session.challenge, session.user_name) != (
            data["ClientId"],
            data["ChallengeName"],
            name,
        ):
            return error_response_json("NotAuthorizedException", "Invalid session for the user.", 400)
        if time.time() > session.expires_at:
            return error_response_json(
                "NotAuthorizedException", "Invalid session for the user, session is expired.", 400
            )
        answer = operation(data)
        # A wrong code may be tried again.
        if answer[0] == 200:
            del _sessions[data["Session"]]
        return answer

    return with_session


def _own_name(client_id: str, name_or_alias: str | None) -> str | None:
    pool, _ = cognito._pool_for_client(client_id)
    user = cognito._resolve_user(pool, name_or_alias)[0] if pool else None
    return user["Username"] if user else None
