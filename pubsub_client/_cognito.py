"""A signed-in user: tokens, identity id and AWS credentials, renewed before they expire."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from pycognito.aws_srp import AWSSRP

from pubsub_client._credentials import Credentials
from pubsub_client.exceptions import NotSignedInError, SessionError, SignInError

if TYPE_CHECKING:
    from collections.abc import Callable

# Early enough that what was just handed out is still good when AWS looks at it.
_RENEW_CREDENTIALS_BEFORE = timedelta(minutes=5)
_RENEW_TOKENS_BEFORE = timedelta(minutes=2)
_WHAT_TO_DO = {
    "NEW_PASSWORD_REQUIRED": "the user must choose a new password before signing in here",
    "SMS_MFA": "the user has a second factor, which this client cannot answer",
    "SOFTWARE_TOKEN_MFA": "the user has a second factor, which this client cannot answer",
}


@dataclass(frozen=True)
class _Tokens:
    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expiration: datetime


class CognitoSession:
    """Signs a user in with SRP and gives credentials of the user's identity.

    Args:
        region: the region of both pools.
        user_pool_id: the user pool.
        user_pool_client_id: an app client without a secret that allows ``USER_SRP_AUTH``.
        identity_pool_id: the identity pool that takes this user pool's tokens.
        endpoint_url: where Cognito answers; None is AWS, or ``AWS_ENDPOINT_URL``.
        now: the clock.
    """

    def __init__(
        self,
        *,
        region: str,
        user_pool_id: str,
        user_pool_client_id: str,
        identity_pool_id: str,
        endpoint_url: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # None of these calls takes AWS credentials, so none must be looked for.
        unsigned = Config(signature_version=UNSIGNED)
        self._user_pools = boto3.client("cognito-idp", region, endpoint_url=endpoint_url, config=unsigned)
        self._identity_pools = boto3.client(
            "cognito-identity", region, endpoint_url=endpoint_url, config=unsigned
        )
        self._user_pool_id = user_pool_id
        self._client_id = user_pool_client_id
        self._identity_pool_id = identity_pool_id
        self._now = now
        self._renewing = asyncio.Lock()
        self._forget()

    async def sign_in(self, user_name: str, password: str) -> None:
        """Sign in with SRP: the password never leaves this process.

        Raises:
            SignInError: Cognito refuses, or asks for something other than the password.
        """
        try:
            answer = await asyncio.to_thread(self._authenticate, user_name, password)
        except ClientError as error:
            raise SignInError(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
        self._forget()
        self._tokens = self._read_tokens(answer)

    async def identity_id(self) -> str:
        """Return the user's identity id.

        Raises:
            SessionError: nobody is signed in, or the identity pool does not take the token.
        """
        async with self._renewing:
            return await self._get_identity_id(await self._fresh_tokens())

    async def credentials(self) -> Credentials:
        """Return AWS credentials of the identity, good for at least five minutes.

        Raises:
            SessionError: nobody is signed in, or Cognito does not renew the session.
        """
        async with self._renewing:
            if self._credentials and self._credentials.expiration - self._now() > _RENEW_CREDENTIALS_BEFORE:
                return self._credentials
            tokens = await self._fresh_tokens()
            identity_id = await self._get_identity_id(tokens)
            answer = await self._call(
                self._identity_pools.get_credentials_for_identity,
                IdentityId=identity_id,
                Logins=self._logins(tokens),
            )
            given = answer["Credentials"]
            self._credentials = Credentials(
                given["AccessKeyId"], given["SecretKey"], given["SessionToken"], given["Expiration"]
            )
            return self._credentials

    async def sign_out(self) -> None:
        """Revoke the refresh token and forget everything; nothing happens if nobody is signed in.

        Raises:
            SessionError: Cognito does not revoke it; everything is forgotten all the same.
        """
        tokens, self._tokens = self._tokens, None
        self._forget()
        if tokens:
            await self._call(
                self._user_pools.revoke_token, Token=tokens.refresh_token, ClientId=self._client_id
            )

    def _forget(self) -> None:
        self._tokens: _Tokens | None = None
        self._identity_id: str | None = None
        self._credentials: Credentials | None = None

    def _authenticate(self, user_name: str, password: str) -> dict[str, Any]:
        srp = AWSSRP(
            username=user_name,
            password=password,
            pool_id=self._user_pool_id,
            client_id=self._client_id,
            client=self._user_pools,
        )
        parameters = srp.get_auth_params()
        started = self._user_pools.initiate_auth(
            ClientId=self._client_id, AuthFlow="USER_SRP_AUTH", AuthParameters=parameters
        )
        _expect(started, "PASSWORD_VERIFIER")
        answered = self._user_pools.respond_to_auth_challenge(
            ClientId=self._client_id,
            ChallengeName="PASSWORD_VERIFIER",
            ChallengeResponses=srp.process_challenge(started["ChallengeParameters"], parameters),
        )
        _expect(answered, None)
        return dict(answered["AuthenticationResult"])

    async def _fresh_tokens(self) -> _Tokens:
        if self._tokens is None:
            raise NotSignedInError("nobody is signed in: call sign_in() first")
        if self._tokens.expiration - self._now() > _RENEW_TOKENS_BEFORE:
            return self._tokens
        answer = await self._call(
            self._user_pools.initiate_auth,
            ClientId=self._client_id,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": self._tokens.refresh_token},
        )
        self._tokens = self._read_tokens(
            {"RefreshToken": self._tokens.refresh_token} | answer["AuthenticationResult"]
        )
        return self._tokens

    async def _get_identity_id(self, tokens: _Tokens) -> str:
        if self._identity_id is None:
            answer = await self._call(
                self._identity_pools.get_id,
                IdentityPoolId=self._identity_pool_id,
                Logins=self._logins(tokens),
            )
            self._identity_id = str(answer["IdentityId"])
        return self._identity_id

    async def _call(self, operation: Callable[..., Any], **arguments: Any) -> Any:
        try:
            return await asyncio.to_thread(operation, **arguments)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            raise SessionError(f"{error.operation_name} answered {code}: {message}") from error

    def _read_tokens(self, answer: dict[str, Any]) -> _Tokens:
        expiration = self._now() + timedelta(seconds=answer["ExpiresIn"])
        return _Tokens(answer["IdToken"], answer["AccessToken"], answer["RefreshToken"], expiration)

    def _logins(self, tokens: _Tokens) -> dict[str, str]:
        """Name the token's issuer as identity pools do: the URL without its scheme, right in every partition."""
        return {_issuer(tokens.id_token).removeprefix("https://"): tokens.id_token}


def _expect(answer: Any, challenge: str | None) -> None:
    asked = answer.get("ChallengeName")
    if asked != challenge:
        raise SignInError(asked or "no challenge", _WHAT_TO_DO.get(asked, "this client cannot answer it"))


def _issuer(token: str) -> str:
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["iss"])
