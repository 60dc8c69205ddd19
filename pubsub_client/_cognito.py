"""A signed-in user: tokens, identity id and AWS credentials, renewed before they end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pycognito.aws_srp import AWSSRP

from pubsub_client._credentials import Credentials
from pubsub_client._id_token import id_token_claims
from pubsub_client._self_attach import SelfAttachRoute
from pubsub_client.exceptions import ConfigurationError, SessionError, SignInError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pubsub_client._self_attach import SelfAttachment

# So early that what was handed out just before is still good when AWS looks at it.
_RENEW_CREDENTIALS_BEFORE = timedelta(minutes=5)
_RENEW_TOKENS_BEFORE = timedelta(minutes=1)

_TEMPORARY = (
    "the user still has a temporary password: have the user choose one, or set a permanent one with "
    "AdminSetUserPassword"
)
_SECOND_FACTOR = "the user has a second factor, which this session does not ask for: sign the user in elsewhere"
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
_CHALLENGES = {
    "NEW_PASSWORD_REQUIRED": _TEMPORARY,
    "SMS_MFA": _SECOND_FACTOR,
    "SOFTWARE_TOKEN_MFA": _SECOND_FACTOR,
    "EMAIL_OTP": _SECOND_FACTOR,
    "SELECT_MFA_TYPE": _SECOND_FACTOR,
    "MFA_SETUP": "the user pool demands a second factor, which the user has not set up yet",
}
SECOND_FACTOR_CHALLENGES = _CHALLENGES.keys() - {"NEW_PASSWORD_REQUIRED"}
"""The challenges that end a sign-in here because only the user can answer them."""


@dataclass(frozen=True)
class _Tokens:
    """What a sign-in gives; the ID token carries its issuer and when it ends."""

    id_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    """None where the ID token alone was given."""
    login: str
    """The user pool's name among an identity pool's logins."""
    expiration: datetime


class CognitoSession:
    """Signs a user in, and gives the user's identity id and AWS credentials.

    Args:
        region: the region of both pools.
        user_pool_id: the user pool.
        user_pool_client_id: an app client without a secret that allows ``ALLOW_USER_SRP_AUTH`` and
            ``ALLOW_REFRESH_TOKEN_AUTH``.
        identity_pool_id: the identity pool that takes this app client's tokens.
        endpoint_url: where Cognito answers; None is boto3's own choice, ``AWS_ENDPOINT_URL`` included.
        self_attach_url: where a user has the IoT policy attached, the stack's output ``SelfAttachUrl``. With it, a
            connection that AWS IoT denies is repaired by itself.
        now: the clock, with a time zone.

    Raises:
        ConfigurationError: ``self_attach_url`` is not the URL of a route.
    """

    def __init__(
        self,
        *,
        region: str,
        user_pool_id: str,
        user_pool_client_id: str,
        identity_pool_id: str,
        endpoint_url: str | None = None,
        self_attach_url: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # No call here takes AWS credentials, so boto3 must not look for any.
        unsigned = Config(signature_version=UNSIGNED)
        self._user_pools = boto3.client("cognito-idp", region, endpoint_url=endpoint_url, config=unsigned)
        self._identity_pools = boto3.client("cognito-identity", region, endpoint_url=endpoint_url, config=unsigned)
        self._user_pool_id = user_pool_id
        self._client_id = user_pool_client_id
        self._identity_pool_id = identity_pool_id
        self._self_attach_route = None if self_attach_url is None else SelfAttachRoute(self_attach_url, region)
        self._now = now
        self._one_at_a_time = asyncio.Lock()
        self._tokens: _Tokens | None = None
        self._identity_id: str | None = None
        self._credentials: Credentials | None = None

    async def sign_in(self, user_name: str, password: str) -> None:
        """Sign in with SRP: the password itself never leaves this process.

        Whoever was signed in before is forgotten.

        Raises:
            SignInError: Cognito refuses, or asks for more than the password.
        """
        async with self._one_at_a_time:
            self._forget()
            try:
                result = await asyncio.to_thread(self._authenticate, user_name, password)
            except (ClientError, BotoCoreError) as error:
                raise SignInError(*_code_and_message(error)) from error
            self._tokens = _read_tokens(result, result["RefreshToken"])

    async def use_id_token(self, id_token: str) -> None:
        """Go on as the user of an ID token that was issued elsewhere; it is not renewed when it ends.

        Whoever was signed in before is forgotten.

        Raises:
            LookupError, ValueError: it is no ID token.
        """
        async with self._one_at_a_time:
            self._forget()
            self._tokens = _read_tokens({"IdToken": id_token}, None)

    async def identity_id(self) -> str:
        """Return the user's identity id.

        Raises:
            SessionError: nobody is signed in, or Cognito refuses.
        """
        async with self._one_at_a_time:
            return await self._get_identity_id(await self._current_tokens())

    async def credentials(self) -> Credentials:
        """Return AWS credentials of the user's identity that are good for five minutes at least.

        Raises:
            SessionError: nobody is signed in, or Cognito refuses.
        """
        async with self._one_at_a_time:
            if self._credentials is None or self._ends_within(_RENEW_CREDENTIALS_BEFORE, self._credentials.expiration):
                self._credentials = await self._get_credentials(await self._current_tokens())
            return self._credentials

    @property
    def can_self_attach(self) -> bool:
        """Whether this session was given a ``self_attach_url``."""
        return self._self_attach_route is not None

    async def self_attach(self) -> SelfAttachment:
        """Have the IoT policy attached to the user's identity, if it is not.

        AWS IoT may take minutes to act on a new attachment.

        Raises:
            SessionError: nobody is signed in, or the route refuses, fails or cannot be reached; for up to half a minute
                it is asked again while it says that it will help later.
            ConfigurationError: this session was given no ``self_attach_url``.
        """
        if self._self_attach_route is None:
            raise ConfigurationError("this session cannot self-attach: give it the stack's output SelfAttachUrl")
        return await self._self_attach_route.attach(await self.credentials())

    async def sign_out(self) -> None:
        """Revoke the refresh token and forget everything; nothing happens if nobody is signed in.

        Credentials that were handed out stay valid until they expire: AWS cannot take them back.

        Raises:
            SessionError: Cognito does not revoke the token; it is forgotten here all the same.
        """
        async with self._one_at_a_time:
            tokens = self._tokens
            self._forget()
            if tokens and tokens.refresh_token:
                revoke = self._user_pools.revoke_token
                await _call(revoke, Token=tokens.refresh_token, ClientId=self._client_id)

    def _forget(self) -> None:
        self._tokens = self._identity_id = self._credentials = None

    def _authenticate(self, user_name: str, password: str) -> Mapping[str, Any]:
        """Answer the one challenge of SRP; anything else Cognito asks for ends the sign-in."""
        srp = AWSSRP(user_name, password, self._user_pool_id, self._client_id, client=self._user_pools)
        parameters = srp.get_auth_params()
        answer = self._user_pools.initiate_auth(
            ClientId=self._client_id, AuthFlow="USER_SRP_AUTH", AuthParameters=parameters
        )
        _expect(answer.get("ChallengeName"), "PASSWORD_VERIFIER")
        answer = self._user_pools.respond_to_auth_challenge(
            ClientId=self._client_id,
            ChallengeName="PASSWORD_VERIFIER",
            ChallengeResponses=srp.process_challenge(answer["ChallengeParameters"], parameters),
        )
        _expect(answer.get("ChallengeName"), None)
        return answer["AuthenticationResult"]

    async def _current_tokens(self) -> _Tokens:
        if self._tokens is None:
            raise SessionError("nobody is signed in: call sign_in() first")
        if self._tokens.refresh_token is None:
            if self._ends_within(timedelta(), self._tokens.expiration):
                raise SessionError(f"the ID token has ended at {self._tokens.expiration:%H:%M:%S %Z}: give a new one")
        elif self._ends_within(_RENEW_TOKENS_BEFORE, self._tokens.expiration):
            answer = await _call(
                self._user_pools.initiate_auth,
                ClientId=self._client_id,
                AuthFlow="REFRESH_TOKEN_AUTH",
                AuthParameters={"REFRESH_TOKEN": self._tokens.refresh_token},
            )
            result = answer["AuthenticationResult"]
            self._tokens = _read_tokens(result, result.get("RefreshToken", self._tokens.refresh_token))
        return self._tokens

    async def _get_identity_id(self, tokens: _Tokens) -> str:
        if self._identity_id is None:
            get_id = self._identity_pools.get_id
            logins = {tokens.login: tokens.id_token}
            answer = await _call(get_id, IdentityPoolId=self._identity_pool_id, Logins=logins)
            self._identity_id = str(answer["IdentityId"])
        return self._identity_id

    async def _get_credentials(self, tokens: _Tokens) -> Credentials:
        answer = await _call(
            self._identity_pools.get_credentials_for_identity,
            IdentityId=await self._get_identity_id(tokens),
            Logins={tokens.login: tokens.id_token},
        )
        given = answer["Credentials"]
        return Credentials(given["AccessKeyId"], given["SecretKey"], given["SessionToken"], given["Expiration"])

    def _ends_within(self, time: timedelta, expiration: datetime) -> bool:
        return expiration - self._now() <= time


def _read_tokens(result: Mapping[str, Any], refresh_token: str | None) -> _Tokens:
    """Read an AuthenticationResult, whose ``ExpiresIn`` is the access token's: the ID token has its own."""
    id_token = result["IdToken"]
    claims = id_token_claims(id_token)
    return _Tokens(
        id_token,
        refresh_token,
        # An identity pool knows a user pool by its issuer without the scheme, in every partition.
        login=claims["iss"].removeprefix("https://"),
        expiration=datetime.fromtimestamp(claims["exp"], UTC),
    )


async def _call(operation: Callable[..., Any], **arguments: object) -> Any:
    try:
        return await asyncio.to_thread(operation, **arguments)
    except (ClientError, BotoCoreError) as error:
        code, message = _code_and_message(error)
        raise SessionError(f"Cognito does not answer as it should ({code}): {message}") from error


def _code_and_message(error: ClientError | BotoCoreError) -> tuple[str, str]:
    if isinstance(error, ClientError):
        told = error.response["Error"]
        return told["Code"], f"{error.operation_name}: {told.get('Message', 'no message')}"
    return type(error).__name__, str(error)


def _expect(challenge: str | None, expected: str | None) -> None:
    if challenge != expected:
        name = challenge or "no challenge"
        raise SignInError(name, _CHALLENGES.get(name, "this session cannot answer it"))
