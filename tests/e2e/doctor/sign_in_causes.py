"""The user cannot sign in, or the sign-in attaches nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from tests.e2e.conftest import PASSWORD
from tests.e2e.doctor.asked import Asked, about_name, about_token, about_user
from tests.e2e.doctor.cause import Cause, sign_in_and_chat
from tests.e2e.doctor.patient import Patient, Stage


def newcomer(patient: Patient) -> Stage:
    """What somebody sees who signs in for the first time."""
    try:
        return Patient.of(patient.deployment).chat()
    except ClientError:
        return Stage.SIGN_IN


def _triggers(patient: Patient, **changes: str | None) -> None:
    pool = patient.users.describe_user_pool(UserPoolId=patient.user_pool_id)["UserPool"]
    wired = {name: arn for name, arn in (pool["LambdaConfig"] | changes).items() if arn}
    patient.users.update_user_pool(UserPoolId=patient.user_pool_id, LambdaConfig=wired)


def _unwire(patient: Patient) -> None:
    _triggers(patient, PostAuthentication=None)


def _forbid_invoking(patient: Patient) -> None:
    policy = json.loads(patient.functions.get_policy(FunctionName=patient.trigger)["Policy"])
    for statement in policy["Statement"]:
        patient.functions.remove_permission(FunctionName=patient.trigger, StatementId=statement["Sid"])


def _break_the_function(patient: Patient) -> None:
    patient.functions.update_function_configuration(FunctionName=patient.trigger, Handler="gone.handler")
    patient.wait_until_updated(patient.trigger)


def _forbid_attaching(patient: Patient) -> None:
    patient.forbid(patient.trigger_role, "iot:AttachPolicy")


def _replace_define_auth_challenge(patient: Patient) -> None:
    function = patient.functions.get_function_configuration(FunctionName=patient.trigger)
    _triggers(patient, DefineAuthChallenge=function["FunctionArn"])


def _flows(patient: Patient, client_id: str, *flows: str) -> None:
    where = {"UserPoolId": patient.user_pool_id, "ClientId": client_id}
    patient.users.update_user_pool_client(**where, ExplicitAuthFlows=flows)


def _delete_the_internal_client(patient: Patient) -> None:
    patient.users.delete_user_pool_client(UserPoolId=patient.user_pool_id, ClientId=patient.internal_client_id)


def _without_the_internal_client(patient: Patient) -> None:
    patient.refuse_tokens_of(patient.internal_client_id)


def _turn_srp_off(patient: Patient) -> None:
    _flows(patient, patient.deployment.client_id, "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")


def _user(patient: Patient) -> dict[str, Any]:
    return {"UserPoolId": patient.user_pool_id, "Username": patient.user}


def _sign_out_everywhere(patient: Patient) -> None:
    patient.users.admin_user_global_sign_out(**_user(patient))


def _sign_in_again(patient: Patient, _: str) -> Asked:
    return about_token(replace(patient, tokens=patient.deployment.sign_in(patient.user)))


def _disable(patient: Patient) -> None:
    patient.users.admin_disable_user(**_user(patient))


def _give_a_temporary_password(patient: Patient) -> None:
    patient.users.admin_set_user_password(**_user(patient), Password=PASSWORD, Permanent=False)


def _sign_up_unconfirmed(patient: Patient) -> Patient:
    """Let somebody sign up who never answers the mail."""
    name = f"{patient.user}-new"
    patient.deployment.public("cognito-idp").sign_up(
        ClientId=patient.deployment.client_id,
        Username=name,
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": f"{name}@example.com"}],
    )
    return replace(patient, user=name)


CAUSES = [
    Cause(
        16,
        "the trigger is not wired",
        "`cognito-idp:UpdateUserPool` without `PostAuthentication`",
        "PS112",
        r"PostAuthentication trigger is not set",
        ("aws cognito-idp update-user-pool",),
        symptom=Stage.CONNECT,
        make=_unwire,
        see=newcomer,
        works=newcomer,
    ),
    Cause(
        16,
        "the user pool may not invoke the trigger",
        "`lambda:RemovePermission`",
        "PS114",
        r"may not invoke \w+",
        ("aws lambda add-permission",),
        symptom=Stage.SIGN_IN,
        make=_forbid_invoking,
        ask=about_user,
        see=sign_in_and_chat,
        works=newcomer,
    ),
    Cause(
        16,
        "the trigger fails",
        "`lambda:UpdateFunctionConfiguration` with a handler that is not there",
        "PS119",
        r"Handler gone\.handler instead of post_authentication\.handler",
        ("aws lambda update-function-configuration",),
        symptom=Stage.SIGN_IN,
        make=_break_the_function,
        ask=about_user,
        see=sign_in_and_chat,
        works=newcomer,
    ),
    Cause(
        17,
        "the trigger's role may not attach",
        "`iam:PutRolePolicy` without `iot:AttachPolicy`",
        "PS118",
        r"may not call iot:AttachPolicy \(implicitDeny\)",
        ("aws iam put-role-policy",),
        make=_forbid_attaching,
        works=newcomer,
    ),
    Cause(
        23,
        "the identity pool refuses the token of a user who was signed out everywhere",
        "`cognito-idp:AdminUserGlobalSignOut`",
        "PS302",
        r"gives the user no AWS credentials: .*Invalid login token",
        "a new sign-in",
        symptom=Stage.CREDENTIALS,
        make=_sign_out_everywhere,
        follow=_sign_in_again,
    ),
    Cause(
        26,
        "the user must change the password",
        "`cognito-idp:AdminSetUserPassword`, not permanent",
        "PS123",
        r"still has a temporary password \(FORCE_CHANGE_PASSWORD\)",
        ("aws cognito-idp admin-set-user-password",),
        symptom=Stage.SIGN_IN,
        make=_give_a_temporary_password,
        see=sign_in_and_chat,
        ask=about_name,
        works=None,
    ),
    Cause(
        26,
        "the user is not confirmed",
        "`cognito-idp:SignUp`",
        "PS123",
        r"has not confirmed the sign-up \(UNCONFIRMED\)",
        ("aws cognito-idp admin-confirm-sign-up",),
        symptom=Stage.SIGN_IN,
        make=_sign_up_unconfirmed,
        ask=about_user,
        see=sign_in_and_chat,
        works=sign_in_and_chat,
    ),
    Cause(
        26,
        "the user is disabled",
        "`cognito-idp:AdminDisableUser`",
        "PS123",
        r"is disabled: Cognito refuses every sign-in",
        ("aws cognito-idp admin-enable-user",),
        symptom=Stage.SIGN_IN,
        make=_disable,
        ask=about_user,
        see=sign_in_and_chat,
        works=sign_in_and_chat,
    ),
    Cause(
        27,
        "the app client lacks the sign-in flow SRP",
        "`cognito-idp:UpdateUserPoolClient` with the flow by password only",
        "PS116",
        r"does not allow ALLOW_USER_SRP_AUTH",
        ("aws cognito-idp update-user-pool-client",),
        symptom=Stage.SIGN_IN,
        make=_turn_srp_off,
        ask=about_user,
        see=sign_in_and_chat,
        works=sign_in_and_chat,
    ),
    Cause(
        28,
        "the internal app client is gone",
        "`cognito-idp:DeleteUserPoolClient`",
        "PS117",
        r"The internal app client \w+ was deleted",
        (
            "aws cognito-idp create-user-pool-client",
            "aws cognito-identity update-identity-pool",
            "aws ssm put-parameter",
            "aws lambda update-function-configuration",
            "aws lambda update-function-configuration",
            "aws lambda update-function-configuration",
        ),
        make=_delete_the_internal_client,
        works=newcomer,
        lasting=True,
    ),
    Cause(
        28,
        "the internal app client is not among the identity pool's providers",
        "`cognito-identity:UpdateIdentityPool` without it",
        "PS117",
        r"does not list the internal app client \w+ among its providers",
        ("aws cognito-identity update-identity-pool",),
        make=_without_the_internal_client,
        works=newcomer,
    ),
    Cause(
        28,
        "the DefineAuthChallenge trigger was replaced",
        "`cognito-idp:UpdateUserPool` with another function",
        "PS117",
        r"The triggers DefineAuthChallenge of the user pool do not call",
        ("aws cognito-idp update-user-pool",),
        make=_replace_define_auth_challenge,
        works=newcomer,
    ),
]
