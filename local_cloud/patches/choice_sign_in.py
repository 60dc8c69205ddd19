"""Choice-based sign-in through the API: the flow ``USER_AUTH`` by password, by SRP, or by a code in an e-mail or SMS.

ministack supports it only on its hosted pages. Passkeys (``WEB_AUTHN``) are not supported. ministack keeps the
messages with codes at ``/_ministack/ses/messages`` and ``/_ministack/sns/sms-messages``. If a user pool allows codes,
an administrator can create users without a password.
https://docs.aws.amazon.com/cognito/latest/developerguide/authentication-flows-selection-sdk.html
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-authentication-flow-methods.html
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminCreateUser.html
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import cognito, sns

Operation = Callable[[dict[str, Any]], Any]

_FLOW = "USER_AUTH"
_SELECT = "SELECT_CHALLENGE"
_PASSWORDS = ("PASSWORD_SRP", "PASSWORD")


@dataclass(frozen=True)
class _Code:
    """The user attribute with the address for a code, and Cognito's name of the medium."""

    attribute: str
    medium: str


_CODES = {"EMAIL_OTP": _Code("email", "EMAIL"), "SMS_OTP": _Code("phone_number", "SMS")}


def install() -> None:
    """Add the flow to InitiateAuth, RespondToAuthChallenge and their Admin operations."""
    cognito._initiate_auth = _starting(cognito._initiate_auth)
    cognito._admin_initiate_auth = _starting(cognito._admin_initiate_auth)
    cognito._respond_to_auth_challenge = _answering(cognito._respond_to_auth_challenge)
    cognito._admin_respond_to_auth_challenge = _answering(cognito._admin_respond_to_auth_challenge)
    cognito._admin_create_user = _without_password(cognito._admin_create_user)


@dataclass(frozen=True)
class _SignIn:
    """A sign-in: the current request, the user, and the session that its steps share."""

    data: dict[str, Any]
    pool_id: str
    user: dict[str, Any]
    token: str
    session: dict[str, Any]

    @property
    def pool(self) -> dict[str, Any]:
        return dict(cognito._user_pools[self.pool_id])

    def require(self, challenge: str, parameters: Mapping[str, str] | None = None, **more: Any) -> Any:
        """Answer with a challenge; the session's next request must answer it."""
        self.session["choice"] = challenge
        answer = {"ChallengeName": challenge, "Session": self.token, "ChallengeParameters": dict(parameters or {})}
        return json_response(answer | more)

    def begin(self, challenge: str, given: Mapping[str, str]) -> Any:
        """Begin the chosen challenge with the responses given so far."""
        if code := _CODES.get(challenge):
            return self._send(challenge, code)
        if self.user["UserStatus"] == "UNCONFIRMED":
            return error_response_json("UserNotConfirmedException", "User is not confirmed.", 400)
        if challenge == "PASSWORD" and given.get("PASSWORD"):
            return self._check_password(given["PASSWORD"])
        if challenge == "PASSWORD_SRP" and given.get("SRP_A"):
            # ministack finds the session by the secret block in the response.
            parameters, self.session["srp"] = cognito._srp_challenge(
                self.pool_id, self.user, self.user["Username"], given["SRP_A"], self.token
            )
            return self.require("PASSWORD_VERIFIER", parameters)
        return self.require(challenge)

    def _check_password(self, password: str) -> Any:
        stored = self.user.get("_password") or ""
        if not stored or not hmac.compare_digest(stored.encode(), password.encode()):
            return error_response_json("NotAuthorizedException", "Incorrect username or password.", 400)
        if error := cognito._password_signin_refused(self.user):
            return error
        if self.user["UserStatus"] == "RESET_REQUIRED":
            return cognito._password_reset_required()
        del cognito._challenge_sessions[self.token]
        return cognito._password_auth_result(
            self.pool, self.pool_id, self.data["ClientId"], self.user, self.user["Username"], None, self.data
        )

    def _send(self, challenge: str, code: _Code) -> Any:
        attributes = cognito._attr_list_to_dict(self.user["Attributes"])
        self.session["code"] = digits = f"{secrets.randbelow(10**8):08}"
        if challenge == "EMAIL_OTP":
            cognito._send_email_otp(self.pool, self.user["Username"], attributes, digits)
        else:
            sms = {"PhoneNumber": attributes[code.attribute], "Message": f"Your sign-in code is {digits}."}
            sns._sms_log_for(attributes[code.attribute]).append(sms)
        delivery = {
            "CODE_DELIVERY_DELIVERY_MEDIUM": code.medium,
            "CODE_DELIVERY_DESTINATION": cognito._masked_destination(attributes[code.attribute]),
        }
        return self.require(challenge, delivery)

    def check_code(self, challenge: str, given: Mapping[str, str]) -> Any:
        """Return tokens if the code is right; this also verifies the attribute and confirms the user."""
        if not hmac.compare_digest(given.get(f"{challenge}_CODE", "").encode(), self.session["code"].encode()):
            return error_response_json("CodeMismatchException", "Invalid code or auth state for the user.", 400)
        del cognito._challenge_sessions[self.token]
        attributes = cognito._attr_list_to_dict(self.user["Attributes"])
        attributes[f"{_CODES[challenge].attribute}_verified"] = "true"
        self.user["Attributes"] = cognito._dict_to_attr_list(attributes)
        if self.user["UserStatus"] == "UNCONFIRMED":
            self.user["UserStatus"] = "CONFIRMED"
        tokens = cognito._build_auth_result(
            self.pool_id, self.data["ClientId"], self.user, client_metadata=self.data.get("ClientMetadata")
        )
        return json_response({"AuthenticationResult": tokens})


def _starting(operation: Operation) -> Operation:
    def initiate_auth(data: dict[str, Any]) -> Any:
        pool, pool_id = cognito._pool_for_client(data.get("ClientId"))
        if data.get("AuthFlow") != _FLOW or not pool or data.get("UserPoolId", pool_id) != pool_id:
            return operation(data)
        # The error of USER_SRP_AUTH with this flow's name.
        if "ALLOW_USER_AUTH" not in pool["_clients"][data["ClientId"]].get("ExplicitAuthFlows", []):
            return error_response_json("InvalidParameterException", "USER_AUTH is not enabled for the client.", 400)
        parameters = data.get("AuthParameters") or {}
        if not parameters.get("USERNAME"):
            return error_response_json("InvalidParameterException", "Missing required parameter USERNAME", 400)
        user = cognito._resolve_user(pool, parameters["USERNAME"])[0]
        if error := _user_error(pool, data["ClientId"], user):
            return error
        token, session = cognito._create_challenge_session(pool_id, data["ClientId"], user["Username"])
        sign_in = _SignIn(data, pool_id, user, token, session)
        offered = _offered(pool, user)
        preferred = parameters.get("PREFERRED_CHALLENGE")
        if preferred in offered:
            return sign_in.begin(preferred, parameters)
        return sign_in.require(_SELECT, AvailableChallenges=offered)

    return initiate_auth


def _answering(operation: Operation) -> Operation:
    def respond_to_auth_challenge(data: dict[str, Any]) -> Any:
        challenge, given = data.get("ChallengeName", ""), data.get("ChallengeResponses") or {}
        if challenge not in (_SELECT, *_PASSWORDS, *_CODES):
            return operation(data)
        token = data.get("Session", "")
        session = cognito._get_challenge_session(token)[0] or {}
        pool = cognito._user_pools.get(session.get("pool_id"))
        user = cognito._resolve_user(pool, given.get("USERNAME"))[0] if pool else None
        if user is None or (session.get("choice"), session["client_id"], session["username"]) != (
            challenge,
            data.get("ClientId"),
            user["Username"],
        ):
            return error_response_json("NotAuthorizedException", "Invalid session for the user.", 400)
        if error := _user_error(pool, data["ClientId"], user):
            return error
        sign_in = _SignIn(data, session["pool_id"], user, token, session)
        if challenge in _CODES:
            return sign_in.check_code(challenge, given)
        chosen = given.get("ANSWER", "") if challenge == _SELECT else challenge
        if chosen not in _offered(pool, user):
            return error_response_json("InvalidParameterException", f"Challenge {chosen} is not available.", 400)
        return sign_in.begin(chosen, given)

    return respond_to_auth_challenge


def _without_password(operation: Operation) -> Operation:
    def admin_create_user(data: dict[str, Any]) -> Any:
        answer = operation(data)
        pool = cognito._user_pools.get(data.get("UserPoolId"))
        if pool and answer[0] == 200 and not data.get("TemporaryPassword") and _CODES.keys() & {*_factors(pool)}:
            created = json.loads(answer[2])
            pool["_users"][created["User"]["Username"]] |= {"UserStatus": "CONFIRMED", "_password": ""}
            created["User"]["UserStatus"] = "CONFIRMED"
            return json_response(created)
        return answer

    return admin_create_user


def _user_error(pool: dict[str, Any], client_id: str, user: dict[str, Any] | None) -> Any:
    if user is None:
        if cognito._hides_user_existence(pool, client_id):
            return error_response_json("NotAuthorizedException", "Incorrect username or password.", 400)
        return error_response_json("UserNotFoundException", "User does not exist.", 400)
    if not user["Enabled"]:
        return error_response_json("NotAuthorizedException", "User is disabled.", 400)
    return None


def _offered(pool: dict[str, Any], user: dict[str, Any]) -> list[str]:
    """Return the challenges that a user can choose; users with MFA cannot choose codes."""
    attributes = cognito._attr_list_to_dict(user["Attributes"])
    factors = _factors(pool)
    passwords = [*_PASSWORDS] if "PASSWORD" in factors and user.get("_password") else []
    if pool.get("MfaConfiguration") == "ON" or user.get("_mfa_enabled"):
        return passwords
    return passwords + [name for name, code in _CODES.items() if name in factors and attributes.get(code.attribute)]


def _factors(pool: dict[str, Any]) -> list[str]:
    policy = (pool.get("Policies") or {}).get("SignInPolicy") or {}
    return list(policy.get("AllowedFirstAuthFactors") or ["PASSWORD"])
