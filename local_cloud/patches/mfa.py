"""A one-time password is asked for once the user has turned it on, and can be turned on once it is set up.

ministack turns it on with the first code that is right, and lets it be turned on without a secret: then it takes any
code. The error texts are as people report them from AWS.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-mfa-totp.html
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_SetUserMFAPreference.html
https://github.com/aws-amplify/amplify-js/issues/944
https://github.com/aws/aws-sdk-js-v3/issues/4645
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito


def install() -> None:
    """Keep the user's choice while a code is verified, and refuse to turn on what is not set up."""
    verify = cognito._verify_software_token
    set_preference = cognito._set_user_mfa_preference
    admin_set_preference = cognito._admin_set_user_mfa_preference

    def verify_software_token(data: dict[str, Any]) -> Any:
        user = cognito._user_for_access_token(data.get("AccessToken")) or {}
        enabled, preferred = list(user.get("_mfa_enabled", [])), user.get("_preferred_mfa", "")
        answer = verify(data)
        user |= {"_mfa_enabled": enabled, "_preferred_mfa": preferred}
        return answer

    def set_user_mfa_preference(data: dict[str, Any]) -> Any:
        user = cognito._user_for_access_token(data.get("AccessToken"))
        return _refusal(data, user, "User has not set up software token mfa") or set_preference(data)

    def admin_set_user_mfa_preference(data: dict[str, Any]) -> Any:
        user = cognito._resolve_user(cognito._user_pools.get(data["UserPoolId"], {"_users": {}}), data["Username"])[0]
        text = "User does not have delivery config set to turn on SOFTWARE_TOKEN_MFA"
        return _refusal(data, user, text) or admin_set_preference(data)

    cognito._verify_software_token = verify_software_token
    cognito._set_user_mfa_preference = set_user_mfa_preference
    cognito._admin_set_user_mfa_preference = admin_set_user_mfa_preference


def _refusal(data: dict[str, Any], user: dict[str, Any] | None, text: str) -> Any:
    turns_on = data.get("SoftwareTokenMfaSettings", {}).get("Enabled")
    if turns_on and user and not user.get("_totp_secret"):
        return error_response_json("InvalidParameterException", text, 400)
    return None
