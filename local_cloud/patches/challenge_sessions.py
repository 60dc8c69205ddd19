"""A new password or an MFA code needs the session of its challenge, which is valid once and for one user.

ministack issues sessions and does not check them: a user name is enough to set a new password. Here sessions do not
expire.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
https://repost.aws/questions/QUXOn0iCq-TNavGxtuFc7DGA
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

Operation = Callable[[dict[str, Any]], Any]

_CHALLENGES = {"NEW_PASSWORD_REQUIRED", "SOFTWARE_TOKEN_MFA", "SMS_MFA", "MFA_SETUP"}
"""The challenges whose sessions ministack does not check."""


@dataclass(frozen=True)
class _Session:
    client_id: str
    challenge: str
    user_name: str | None


_sessions: dict[str, _Session] = {}


def install() -> None:
    """Store the issued sessions, and require them in answers."""
    cognito._initiate_auth = _storing(cognito._initiate_auth)
    cognito._admin_initiate_auth = _storing(cognito._admin_initiate_auth)
    cognito._respond_to_auth_challenge = _requiring(_storing(cognito._respond_to_auth_challenge))
    cognito._admin_respond_to_auth_challenge = _requiring(_storing(cognito._admin_respond_to_auth_challenge))


def _storing(operation: Operation) -> Operation:
    def with_storage(data: dict[str, Any]) -> Any:
        answer = operation(data)
        challenge = json.loads(answer[2])
        if challenge.get("ChallengeName") in _CHALLENGES:
            client_id = data["ClientId"]
            name = _user_name(client_id, challenge["ChallengeParameters"]["USER_ID_FOR_SRP"])
            _sessions[challenge["Session"]] = _Session(client_id, challenge["ChallengeName"], name)
        return answer

    return with_storage


def _requiring(operation: Operation) -> Operation:
    def with_session(data: dict[str, Any]) -> Any:
        if data.get("ChallengeName") not in _CHALLENGES:
            return operation(data)
        name = _user_name(data["ClientId"], data.get("ChallengeResponses", {}).get("USERNAME"))
        if _sessions.get(data.get("Session", "")) != _Session(data["ClientId"], data["ChallengeName"], name):
            return error_response_json("NotAuthorizedException", "Invalid session for the user.", 400)
        answer = operation(data)
        # After a wrong code the user can try again.
        if answer[0] == 200:
            del _sessions[data["Session"]]
        return answer

    return with_session


def _user_name(client_id: str, name_or_alias: str | None) -> str | None:
    pool, _ = cognito._pool_for_client(client_id)
    user = cognito._resolve_user(pool, name_or_alias)[0] if pool else None
    return user["Username"] if user else None
