"""A custom challenge needs the trigger that defines it.

Without one, ministack's sign-in fails in words of its own.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-challenge.html
The error is as people report it: https://github.com/aws-amplify/amplify-js/issues/5623
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

NEEDS = {cognito: ("_invoke_define_auth_challenge_trigger", "_user_pools")}


def install() -> None:
    """Refuse the flow where the pool has no such trigger."""
    define = cognito._invoke_define_auth_challenge_trigger

    def invoke_define_auth_challenge_trigger(pool_id: str, *args: Any, **details: Any) -> Any:
        pool = cognito._user_pools.get(pool_id) or {}
        if not (pool.get("LambdaConfig") or {}).get("DefineAuthChallenge"):
            text = "Custom auth lambda trigger is not configured for the user pool."
            # ministack returns whatever stands in the place of an error.
            return None, error_response_json("InvalidParameterException", text, 400)
        return define(pool_id, *args, **details)

    cognito._invoke_define_auth_challenge_trigger = invoke_define_auth_challenge_trigger
