"""An identity gets credentials of its role only if the role exists and trusts the identity pool's identities.

ministack gives them whatever the role says.
https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate_trust_policy
from ministack.core.responses import error_response_json, get_region
from ministack.services import cognito, iam, sts

NEEDS = {cognito: ("_get_credentials_for_identity",), iam: ("_roles",), sts: ("_sessions",)}

_SERVICE = "cognito-identity.amazonaws.com"


def install() -> None:
    """Ask the role before its credentials are out."""
    get_credentials = cognito._get_credentials_for_identity

    def get_credentials_for_identity(data: dict[str, Any]) -> Any:
        answer = get_credentials(data)
        if answer[0] != 200:
            return answer
        access_key_id = json.loads(answer[2])["Credentials"]["AccessKeyId"]
        if _trusted(sts._sessions[access_key_id]):
            return answer
        del sts._sessions[access_key_id]
        return error_response_json(
            "InvalidIdentityPoolConfigurationException",
            "Invalid identity pool configuration. Check assigned IAM roles for this pool.",
            400,
        )

    cognito._get_credentials_for_identity = get_credentials_for_identity


def _trusted(session: dict[str, Any]) -> bool:
    """Tell whether the role of a session lets the session's identity assume it."""
    role_name = session["Arn"].split("/")[1]
    role = iam._roles.get(role_name)
    if role is None:
        return False
    context = EvalContext(
        principal_arn=_SERVICE,
        principal_type="WebIdentityUser",
        principal_account=session["AccountId"],
        action="sts:AssumeRoleWithWebIdentity",
        resource_arn=role["Arn"],
        region=get_region(),
        service_context={
            f"{_SERVICE}:aud": session["_identity_pool_id"],
            f"{_SERVICE}:sub": session["_identity_id"],
            f"{_SERVICE}:amr": session["_cognito_amr"],
        },
    )
    return bool(evaluate_trust_policy(role["AssumeRolePolicyDocument"], _SERVICE, context))
