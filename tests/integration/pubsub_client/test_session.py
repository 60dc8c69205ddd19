"""Sessions of users of the local cloud's Cognito."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from local_cloud.faults import Fail
from pubsub_client import CognitoSession
from pubsub_client.exceptions import SessionError, SignInError
from tests.integration.local_cloud.account import PASSWORD, Credentials, client_with
from tests.integration.pubsub_client.conftest import Deployment


async def test_credentials_belong_to_the_users_identity(deployment: Deployment, session: CognitoSession) -> None:
    assert (await session.identity_id()).startswith(f"{deployment.region}:")
    credentials = await session.credentials()
    assert credentials.expiration
    assert credentials.expiration > datetime.now(UTC) + timedelta(minutes=5)
    sts = client_with(
        deployment.cloud,
        "sts",
        Credentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token or ""),
    )
    pools = deployment.cloud.client("cognito-identity")
    roles = pools.get_identity_pool_roles(IdentityPoolId=deployment.identity_pool_id)["Roles"]
    role = roles["authenticated"].rpartition("/")[2]
    assert f":assumed-role/{role}/" in sts.get_caller_identity()["Arn"]


async def test_identity_that_is_not_found_is_requested_again_once(deployment: Deployment) -> None:
    not_found = Fail("ResourceNotFoundException", message="Identity not found.")
    session, other = [await deployment.signed_in() for _ in range(2)]
    with deployment.cloud.fault("cognito-identity:GetCredentialsForIdentity", not_found, times=1):
        assert (await session.credentials()).session_token
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
async def test_throttled_call_is_retried(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    with deployment.cloud.fault(operation, Fail("TooManyRequestsException"), times=2):
        assert (await (await deployment.signed_in()).credentials()).session_token


async def test_session_outlives_its_first_tokens_unless_the_user_is_signed_out_globally(
    deployment: Deployment,
) -> None:
    ahead = timedelta(0)
    user = deployment.make_user()
    session = await deployment.signed_in(user, now=lambda: datetime.now(UTC) + ahead)
    first = await session.credentials()
    ahead = timedelta(hours=1)
    assert (await session.credentials()).access_key_id != first.access_key_id
    deployment.cloud.client("cognito-idp").admin_user_global_sign_out(UserPoolId=deployment.user_pool_id, Username=user)
    ahead = timedelta(hours=2)
    with pytest.raises(SessionError, match=r"the session has ended; sign in again .*NotAuthorizedException"):
        await session.credentials()


async def test_session_from_outputs_has_the_users_identity_id(deployment: Deployment) -> None:
    outputs = {
        "Region": deployment.region,
        "UserPoolId": deployment.user_pool_id,
        "UserPoolClientId": deployment.user_pool_client_id,
        "IdentityPoolId": deployment.identity_pool_id,
    }
    user = deployment.make_user()
    session = CognitoSession.from_outputs(outputs, deployment.cloud.endpoint_url)
    with pytest.raises(SignInError) as refusal:
        await session.sign_in(user, "Wrong-password-1")
    assert refusal.value.code == "NotAuthorizedException"
    await session.sign_in(user, PASSWORD)
    assert await session.identity_id() == await (await deployment.signed_in(user)).identity_id()


async def test_sign_out_revokes_the_refresh_token(deployment: Deployment, session: CognitoSession) -> None:
    tokens = session._tokens
    assert tokens is not None
    await session.sign_out()
    with pytest.raises(SessionError, match="no user is signed in"):
        await session.credentials()
    pools = deployment.cloud.client("cognito-idp")
    with pytest.raises(pools.exceptions.NotAuthorizedException):
        pools.initiate_auth(
            ClientId=deployment.user_pool_client_id,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": tokens.refresh_token},
        )
