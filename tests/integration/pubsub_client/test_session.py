"""A user signs in at the local cloud's Cognito."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from local_cloud.faults import Fail
from pubsub_client import CognitoSession, Credentials
from pubsub_client.exceptions import SessionError, SignInError
from tests.integration.pubsub_client.conftest import Deployment


async def test_credentials_are_those_of_the_users_identity(deployment: Deployment, session: CognitoSession) -> None:
    identity_id = await session.identity_id()
    assert identity_id.startswith(f"{deployment.region}:")
    credentials = await session.credentials()
    assert credentials.expiration
    assert credentials.expiration > datetime.now(UTC) + timedelta(minutes=5)
    sts = boto3.client(
        "sts",
        region_name=deployment.region,
        endpoint_url=deployment.cloud.endpoint_url,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
    )
    assert ":assumed-role/client-tests/" in sts.get_caller_identity()["Arn"]


async def test_the_same_user_has_the_same_identity_id_at_each_sign_in(deployment: Deployment) -> None:
    user = deployment.make_user()
    sessions = deployment.session(), deployment.session()
    for session in sessions:
        await session.sign_in(user.name, user.password)
    assert await sessions[0].identity_id() == await sessions[1].identity_id()


async def test_an_identity_that_is_not_found_is_asked_for_again_once(deployment: Deployment) -> None:
    session = deployment.session()
    user = deployment.make_user()
    await session.sign_in(user.name, user.password)
    not_found = Fail("ResourceNotFoundException", message="Identity not found.")
    with deployment.cloud.fault("cognito-identity:GetCredentialsForIdentity", not_found, times=1):
        assert (await session.credentials()).session_token
    other = deployment.session()
    await other.sign_in(user.name, user.password)
    with (
        deployment.cloud.fault("cognito-identity:GetCredentialsForIdentity", not_found),
        pytest.raises(SessionError, match="ResourceNotFoundException"),
    ):
        await other.credentials()


@pytest.mark.parametrize(
    "operation",
    [
        "cognito-idp:InitiateAuth",
        "cognito-idp:RespondToAuthChallenge",
        "cognito-identity:GetId",
        "cognito-identity:GetCredentialsForIdentity",
    ],
)
async def test_a_throttled_call_is_made_again(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    user = deployment.make_user()
    session = deployment.session()
    with deployment.cloud.fault(operation, Fail("TooManyRequestsException"), times=2):
        await session.sign_in(user.name, user.password)
        assert (await session.credentials()).session_token


async def test_the_session_outlives_its_first_tokens_by_the_refresh_token(deployment: Deployment) -> None:
    ahead = timedelta(0)
    session = deployment.session(now=lambda: datetime.now(UTC) + ahead)
    user = deployment.make_user()
    await session.sign_in(user.name, user.password)
    first = await session.credentials()
    ahead = timedelta(hours=1)
    assert (await session.credentials()).access_key_id != first.access_key_id


async def test_credentials_that_live_shortly_are_renewed_by_themselves_and_kept_meanwhile(
    deployment: Deployment,
) -> None:
    session = deployment.session()
    user = deployment.make_user()
    await session.sign_in(user.name, user.password)
    deployment.cloud.credentials_lifetime_seconds = 1
    given: list[Credentials] = []
    try:
        async with asyncio.timeout(20):
            while len(set(given)) < 4:
                given.append(await session.credentials())
                assert given[-1].expiration
                assert given[-1].expiration > datetime.now(UTC)
                await asyncio.sleep(0.05)
    finally:
        deployment.cloud.clear_faults()
    assert len(given) > 2 * len(set(given))


async def test_a_session_whose_user_is_signed_out_everywhere_says_that_it_has_ended(deployment: Deployment) -> None:
    ahead = timedelta(0)
    session = deployment.session(now=lambda: datetime.now(UTC) + ahead)
    user = deployment.make_user()
    await session.sign_in(user.name, user.password)
    await session.credentials()
    deployment.cloud.client("cognito-idp").admin_user_global_sign_out(
        UserPoolId=deployment.user_pool_id, Username=user.name
    )
    ahead = timedelta(hours=1)
    with pytest.raises(SessionError, match=r"the session has ended, sign in again: .*NotAuthorizedException"):
        await session.credentials()


async def test_a_session_is_made_of_a_stacks_outputs(deployment: Deployment) -> None:
    outputs = {
        "Region": deployment.region,
        "UserPoolId": deployment.user_pool_id,
        "UserPoolClientId": deployment.user_pool_client_id,
        "IdentityPoolId": deployment.identity_pool_id,
    }
    session = CognitoSession.from_outputs(outputs, deployment.cloud.endpoint_url)
    user = deployment.make_user()
    await session.sign_in(user.name, user.password)
    assert (await session.identity_id()).startswith(f"{deployment.region}:")


async def test_a_wrong_password_is_told_by_cognitos_error_code(deployment: Deployment) -> None:
    user = deployment.make_user()
    with pytest.raises(SignInError) as refusal:
        await deployment.session().sign_in(user.name, "Wrong-password-1")
    assert refusal.value.code == "NotAuthorizedException"


async def test_a_temporary_password_is_told_with_what_to_do(deployment: Deployment) -> None:
    user = deployment.make_user(permanent_password=False)
    with pytest.raises(SignInError, match="temporary password") as refusal:
        await deployment.session().sign_in(user.name, user.password)
    assert refusal.value.code == "NEW_PASSWORD_REQUIRED"


async def test_after_signing_out_the_refresh_token_is_worth_nothing(
    deployment: Deployment, session: CognitoSession
) -> None:
    tokens = session._tokens
    assert tokens is not None
    await session.sign_out()
    with pytest.raises(SessionError, match="nobody is signed in"):
        await session.credentials()
    pools = deployment.cloud.client("cognito-idp")
    with pytest.raises(pools.exceptions.NotAuthorizedException):
        pools.initiate_auth(
            ClientId=deployment.user_pool_client_id,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": tokens.refresh_token},
        )
