"""Probes of user pools and identity pools."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.integration.local_cloud.account import (
    ECHO,
    PASSWORD,
    Account,
    document,
    fails_with,
    make_app_client,
    make_function,
    make_stack,
    make_user,
    make_user_pool,
    physical_id,
    sign_in,
    unique,
)
from tests.integration.local_cloud.user_pool import Pool, too_late_once

_TRIGGER_SECONDS = 2.0
"""Long enough for a function to start on a busy machine."""


def delete_identities(account: Account) -> bool:
    """A deleted identity does not exist."""
    identity = account.cloud.client("cognito-identity")
    identity_id = account.user().identity_id
    if fails_with(lambda: identity.delete_identities(IdentityIdsToDelete=[identity_id]), "InvalidAction"):
        return False
    return fails_with(lambda: identity.describe_identity(IdentityId=identity_id), "ResourceNotFoundException")


def identity_pages(account: Account) -> bool:
    """A page without all identities has a token."""
    identity = account.cloud.client("cognito-identity")
    for _ in range(2):
        account.guest()
    return "NextToken" in identity.list_identities(IdentityPoolId=account.guest_identity_pool_id, MaxResults=1)


def update_group(account: Account) -> bool:
    """A group's role can be changed."""
    idp = account.cloud.client("cognito-idp")
    group = {"UserPoolId": account.user_pool_id, "GroupName": unique("group")}
    idp.create_group(**group)
    if fails_with(lambda: idp.update_group(**group, Precedence=7), "InvalidAction"):
        return False
    return bool(idp.get_group(**group)["Group"]["Precedence"] == 7)


def pool_defaults(account: Account) -> bool:
    """An update resets omitted settings of user pools and identity pools, except policies."""
    users, identities = account.cloud.client("cognito-idp"), account.cloud.client("cognito-identity")
    policies = {"PasswordPolicy": {"MinimumLength": 20}}
    pool_id, _ = make_user_pool(account.cloud, {"AutoVerifiedAttributes": ["email"], "Policies": policies})
    users.update_user_pool(UserPoolId=pool_id, UserPoolTags={"team": "probe"})
    user_pool = users.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    identity_pool_id = account.make_identity_pool()
    identities.update_identity_pool(
        IdentityPoolId=identity_pool_id, IdentityPoolName="renamed", AllowUnauthenticatedIdentities=False
    )
    identity_pool = identities.describe_identity_pool(IdentityPoolId=identity_pool_id)
    return (
        not user_pool.get("AutoVerifiedAttributes")
        and user_pool["Policies"]["PasswordPolicy"]["MinimumLength"] == 20
        and not identity_pool.get("CognitoIdentityProviders")
    )


def system_tags(account: Account) -> bool:
    """An update keeps CloudFormation's tags of a user pool."""
    users = account.cloud.client("cognito-idp")
    pool = {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": unique("users")}}
    pool_id = physical_id(account.cloud, make_stack(account.cloud, Pool=pool), "Pool")
    users.update_user_pool(UserPoolId=pool_id, UserPoolTags={"team": "probe"})
    tags = users.describe_user_pool(UserPoolId=pool_id)["UserPool"]["UserPoolTags"]
    return bool(tags.keys() > {"team"})


def user_attributes(account: Account) -> bool:
    """A user cannot have an attribute that the pool lacks, or a value that is too long."""
    attribute = {
        "Name": "color",
        "AttributeDataType": "String",
        "Mutable": True,
        "StringAttributeConstraints": {"MinLength": "0", "MaxLength": "5"},
    }
    users = account.cloud.client("cognito-idp")
    pool_id, _ = make_user_pool(account.cloud, {"Schema": [attribute]})
    name = make_user(account.cloud, pool_id)
    given = [("custom:colour", "green"), ("custom:color", "purple"), ("custom:color", "green")]
    update = partial(users.admin_update_user_attributes, UserPoolId=pool_id, Username=name)
    return [
        fails_with(partial(update, UserAttributes=[{"Name": each, "Value": value}]), "InvalidParameterException")
        for each, value in given
    ] == [True, True, False]


def group_roles(account: Account) -> bool:
    """A user in a group gets credentials of the group's role if the identity pool maps roles by token."""
    group = account.make_group()
    pool_id = account.make_identity_pool({"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"})
    user = account.user(groups=[group.name], identity_pool_id=pool_id)
    return account.role_of(user) == group.role


def guest_access(account: Account) -> bool:
    """An identity pool without guest access issues no identity, token or credentials without a login."""
    identity, identity_id = account.cloud.client("cognito-identity"), account.user().identity_id
    requests = (
        lambda: identity.get_id(IdentityPoolId=account.identity_pool_id),
        lambda: identity.get_open_id_token(IdentityId=identity_id),
        lambda: identity.get_credentials_for_identity(IdentityId=identity_id),
    )
    return all(fails_with(request, "NotAuthorizedException") for request in requests)


def role_trust(account: Account) -> bool:
    """An identity whose role trusts another service gets no credentials."""
    pool_id = account.make_identity_pool()
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    account.cloud.client("iam").update_assume_role_policy(
        RoleName=account.authenticated_role(pool_id), PolicyDocument=document(trust)
    )
    return fails_with(lambda: account.user(identity_pool_id=pool_id), "InvalidIdentityPoolConfigurationException")


def token_check(account: Account) -> bool:
    """A user who is signed out everywhere gets no credentials if the identity pool checks tokens."""
    identity, idp = account.cloud.client("cognito-identity"), account.cloud.client("cognito-idp")
    pool_id = account.make_identity_pool(checks_tokens=True)
    name = make_user(account.cloud, account.user_pool_id)
    logins = {account.provider_name: sign_in(account.cloud, account.client_id, name)["IdToken"]}
    identity_id = identity.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"]
    idp.admin_user_global_sign_out(UserPoolId=account.user_pool_id, Username=name)
    return fails_with(
        lambda: identity.get_credentials_for_identity(IdentityId=identity_id, Logins=logins), "NotAuthorizedException"
    )


def client_attributes(account: Account) -> bool:
    """Sign-up cannot set an attribute that the app client may not write."""
    _, client_id = make_user_pool(account.cloud, client={"WriteAttributes": ["email"]})
    return fails_with(
        lambda: account.cloud.client("cognito-idp").sign_up(
            ClientId=client_id,
            Username=unique("user"),
            Password=PASSWORD,
            UserAttributes=[{"Name": "nickname", "Value": "ada"}],
        ),
        "NotAuthorizedException",
    )


def case_insensitive_names(account: Account) -> bool:
    """A user pool that is not case sensitive finds a user by name in another case."""
    pool = Pool(account.cloud, UsernameConfiguration={"CaseSensitive": False})
    name = pool.user()
    return not fails_with(lambda: pool.give_password(name.upper()), "UserNotFoundException")


def custom_sign_in(account: Account) -> bool:
    """A user with a temporary password must set a new one before custom authentication returns tokens."""
    pool = Pool(account.cloud)
    name = pool.user_with_temporary_password()
    answer = pool.answer(pool.start_challenge(name), name, ANSWER="yes")
    if answer.get("ChallengeName") != "NEW_PASSWORD_REQUIRED" or pool.status(name) != "FORCE_CHANGE_PASSWORD":
        return False
    tokens = pool.answer(answer, name, NEW_PASSWORD=f"{PASSWORD}-new")
    return "AuthenticationResult" in tokens and pool.status(name) == "CONFIRMED"


def custom_auth_triggers(account: Account) -> bool:
    """A pool without challenge triggers rejects custom authentication with AWS's error."""
    flows = {"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"]}
    pool_id, client_id = make_user_pool(account.cloud, client=flows)
    name = make_user(account.cloud, pool_id)
    return fails_with(
        lambda: account.cloud.client("cognito-idp").admin_initiate_auth(
            UserPoolId=pool_id, ClientId=client_id, AuthFlow="CUSTOM_AUTH", AuthParameters={"USERNAME": name}
        ),
        "InvalidParameterException",
    )


def user_not_found(account: Account) -> bool:
    """An app client that hides which users exist challenges an unknown user."""
    pool = Pool(account.cloud)
    client_id = pool.add_client(PreventUserExistenceErrors="ENABLED")
    return not fails_with(lambda: pool.start_challenge("missing", client_id), "UserNotFoundException")


def choice_sign_in(account: Account) -> bool:
    """An app client that allows choice-based sign-in returns the challenges that a user can choose."""
    pool = Pool(account.cloud)
    client_id = make_app_client(account.cloud, pool.user_pool_id, ExplicitAuthFlows=["ALLOW_USER_AUTH"])
    request = {"ClientId": client_id, "AuthFlow": "USER_AUTH", "AuthParameters": {"USERNAME": pool.user()}}
    try:
        answer = pool.idp.initiate_auth(**request)
    except pool.idp.exceptions.InvalidParameterException:
        return False
    return {*answer["AvailableChallenges"]} == {"PASSWORD", "PASSWORD_SRP"}


def post_authentication(account: Account) -> bool:
    """A sign-in invokes the trigger: it fails without permission, and a late trigger is invoked again."""
    cloud = account.cloud
    function_arn = make_function(cloud, ECHO)
    pool_id, client_id = make_user_pool(cloud, {"LambdaConfig": {"PostAuthentication": function_arn}})
    name = make_user(cloud, pool_id)
    if not fails_with(lambda: sign_in(cloud, client_id, name), "UnexpectedLambdaException"):
        return False
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as settings:
        settings.setattr(cloud, "trigger_timeout_seconds", _TRIGGER_SECONDS)
        called = Path(directory) / "called"
        tokens = Pool(cloud, too_late_once(called, _TRIGGER_SECONDS + 1)).sign_in()
        return "IdToken" in tokens and called.read_text().splitlines() == ["called", "called"]


def pre_authentication(account: Account) -> bool:
    """A custom sign-in invokes the trigger, and its error rejects the sign-in."""
    rejecting = "def handler(event, context): raise ValueError('an unknown app client')"
    pool = Pool(account.cloud, pre_authentication=rejecting)
    return fails_with(lambda: pool.start_challenge(pool.user()), "UserLambdaValidationException")
