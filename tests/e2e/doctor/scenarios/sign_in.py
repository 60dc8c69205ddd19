"""The user cannot sign in, or the sign-in attaches nothing."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.e2e.conftest import PASSWORD
from tests.e2e.doctor.doctor_run import with_name, with_password
from tests.e2e.doctor.scenario import FailureScenario
from tests.e2e.doctor.scenarios.app import sign_in_again
from tests.e2e.doctor.simulated_user import SimulatedUser, Stage


def update_triggers(user: SimulatedUser, **changes: str | None) -> None:
    pool_id = user.deployment.user_pool_id
    pool = user.users.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    triggers = {name: arn for name, arn in (pool["LambdaConfig"] | changes).items() if arn}
    user.users.update_user_pool(UserPoolId=pool_id, LambdaConfig=triggers)


def remove_trigger(user: SimulatedUser) -> None:
    update_triggers(user, PostAuthentication=None)


def _remove_invoke_permission(user: SimulatedUser) -> None:
    policy = json.loads(user.functions.get_policy(FunctionName=user.trigger)["Policy"])
    for statement in policy["Statement"]:
        user.functions.remove_permission(FunctionName=user.trigger, StatementId=statement["Sid"])


def _set_missing_handler(user: SimulatedUser) -> None:
    user.functions.update_function_configuration(FunctionName=user.trigger, Handler="gone.handler")
    user.wait_until_updated(user.trigger)


def _deny_attach_to_trigger(user: SimulatedUser) -> None:
    user.cleanup.enter_context(user.deployment.action_denied("iot:AttachPolicy", user.trigger))


def _replace_define_auth_challenge(user: SimulatedUser) -> None:
    function = user.functions.get_function_configuration(FunctionName=user.trigger)
    update_triggers(user, DefineAuthChallenge=function["FunctionArn"])


def _delete_internal_client(user: SimulatedUser) -> None:
    client_id = user.deployment.internal_client_id
    user.users.delete_user_pool_client(UserPoolId=user.deployment.user_pool_id, ClientId=client_id)


def _disallow_srp(user: SimulatedUser) -> None:
    user.users.update_user_pool_client(
        UserPoolId=user.deployment.user_pool_id,
        ClientId=user.deployment.client_id,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    )


def _sign_out_everywhere(user: SimulatedUser) -> None:
    user.users.admin_user_global_sign_out(**user.in_pool)


def _set_temporary_password(user: SimulatedUser) -> None:
    user.users.admin_set_user_password(**user.in_pool, Password=PASSWORD, Permanent=False)


def _sign_up_without_confirmation(user: SimulatedUser) -> SimulatedUser:
    name = f"{user.name}-new"
    user.deployment.public("cognito-idp").sign_up(
        ClientId=user.deployment.client_id,
        Username=name,
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": f"{name}@example.com"}],
    )
    return replace(user, name=name)


def _disable(user: SimulatedUser) -> None:
    user.users.admin_disable_user(**user.in_pool)


_UPDATE = "aws lambda update-function-configuration"

SCENARIOS = [
    FailureScenario(
        16,
        "the trigger is not configured",
        "`cognito-idp:UpdateUserPool` without `PostAuthentication`",
        "PS112",
        r"PostAuthentication trigger is not set",
        ("aws cognito-idp update-user-pool",),
        break_it=remove_trigger,
        symptom=Stage.CONNECT,
        observe=SimulatedUser.first_sign_in,
    ),
    FailureScenario(
        16,
        "the user pool may not invoke the trigger",
        "`lambda:RemovePermission`",
        "PS114",
        r"may not invoke \w+",
        ("aws lambda add-permission",),
        break_it=_remove_invoke_permission,
        symptom=Stage.SIGN_IN,
        observe=SimulatedUser.first_sign_in,
        options=with_password,
    ),
    FailureScenario(
        16,
        "the trigger fails",
        "`lambda:UpdateFunctionConfiguration` with a handler that does not exist",
        "PS119",
        r"Handler gone\.handler instead of post_authentication\.handler",
        (_UPDATE,),
        break_it=_set_missing_handler,
        symptom=Stage.SIGN_IN,
        observe=SimulatedUser.first_sign_in,
        options=with_password,
    ),
    FailureScenario(
        17,
        "the trigger's role may not attach policies",
        "`iam:PutRolePolicy` without `iot:AttachPolicy`",
        "PS118",
        r"does not allow iot:AttachPolicy \(implicit deny\)",
        ("aws iam put-role-policy",),
        break_it=_deny_attach_to_trigger,
        observe=SimulatedUser.first_sign_in,
    ),
    FailureScenario(
        23,
        "the identity pool rejects the token of a user who was signed out everywhere",
        "`cognito-idp:AdminUserGlobalSignOut`",
        "PS302",
        r"gives the user no AWS credentials: .*Invalid login token",
        "sign in again",
        break_it=_sign_out_everywhere,
        symptom=Stage.CREDENTIALS,
        follow=sign_in_again,
    ),
    FailureScenario(
        26,
        "the user must change the password",
        "`cognito-idp:AdminSetUserPassword`, not permanent",
        "PS123",
        r"still has a temporary password \(FORCE_CHANGE_PASSWORD\)",
        ("aws cognito-idp admin-set-user-password",),
        break_it=_set_temporary_password,
        symptom=Stage.SIGN_IN,
        observe=SimulatedUser.sign_in_and_send,
        observe_fixed=SimulatedUser.first_sign_in,  # nobody knows the password that the fix has set
        options=with_name,
    ),
    FailureScenario(
        26,
        "the user is not confirmed",
        "`cognito-idp:SignUp`",
        "PS123",
        r"has not confirmed the sign-up \(UNCONFIRMED\)",
        ("aws cognito-idp admin-confirm-sign-up",),
        break_it=_sign_up_without_confirmation,
        symptom=Stage.SIGN_IN,
        observe=SimulatedUser.sign_in_and_send,
        options=with_password,
    ),
    FailureScenario(
        26,
        "the user is disabled",
        "`cognito-idp:AdminDisableUser`",
        "PS123",
        r"is disabled: Cognito",
        ("aws cognito-idp admin-enable-user",),
        break_it=_disable,
        symptom=Stage.SIGN_IN,
        observe=SimulatedUser.sign_in_and_send,
        options=with_password,
    ),
    FailureScenario(
        27,
        "the app client does not allow SRP",
        "`cognito-idp:UpdateUserPoolClient` with only the password flow",
        "PS116",
        r"does not allow ALLOW_USER_SRP_AUTH",
        ("aws cognito-idp update-user-pool-client",),
        break_it=_disallow_srp,
        symptom=Stage.SIGN_IN,
        observe=SimulatedUser.sign_in_and_send,
        options=with_password,
    ),
    FailureScenario(
        28,
        "the internal app client was deleted",
        "`cognito-idp:DeleteUserPoolClient`",
        "PS117",
        r"The internal app client \w+ was deleted",
        (
            "aws cognito-idp create-user-pool-client",
            "aws cognito-identity update-identity-pool",
            "aws ssm put-parameter",
            *(_UPDATE, _UPDATE, _UPDATE),
        ),
        break_it=_delete_internal_client,
        observe=SimulatedUser.first_sign_in,
    ),
    FailureScenario(
        28,
        "the DefineAuthChallenge trigger was replaced",
        "`cognito-idp:UpdateUserPool` with another function",
        "PS117",
        r"The triggers DefineAuthChallenge of the user pool do not call",
        ("aws cognito-idp update-user-pool",),
        break_it=_replace_define_auth_challenge,
        observe=SimulatedUser.first_sign_in,
    ),
]
