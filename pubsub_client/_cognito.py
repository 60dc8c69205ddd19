"""A signed-in user: tokens, identity id and AWS credentials, renewed before they end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self, TypeVar

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pubsub_client._credentials import Credentials
from pubsub_client._renewals import Renewals
from pubsub_client._self_attach import SelfAttachment, SelfAttachRoute
from pubsub_client._sign_in import CodeFactor, answer_code, send_code, sign_in_with_srp
from pubsub_client._tokens import Tokens
from pubsub_client._validity import Validity
from pubsub_client.exceptions import ConfigurationError, SessionError, SignInError
from pubsub_client.outputs import Output, read_outputs

_Answer = TypeVar("_Answer")

# While there are good credentials a call waits no longer for better ones.
_PATIENCE_SECONDS = 5.0
_ATTEMPTS = 5
_CODE_FACTORS = {"email": CodeFactor.EMAIL, "sms": CodeFactor.SMS}
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_GetTokensFromRefreshToken.html
_REFRESH_TOKEN_IS_OVER = ("NotAuthorizedException", "RefreshTokenReuseException")


@dataclass(frozen=True)
class _Held:
    """Credentials, and how long they may be handed out."""

    credentials: Credentials
    validity: Validity


class CognitoSession:
    """Signs a user in, and gives the user's identity id and AWS credentials.

        >>> session = CognitoSession.from_outputs(outputs)
        >>> await session.sign_in("ada", password)
        >>> identity_id = await session.identity_id()
        >>> await session.sign_out()

    Tokens and credentials are renewed when they are asked for with a fifth of their life left, five minutes at most.

    Args:
        region: the region of both pools.
        user_pool_id: the user pool.
        user_pool_client_id: an app client without a secret that allows ``ALLOW_USER_SRP_AUTH`` or ``ALLOW_USER_AUTH``
            and, unless it rotates refresh tokens, ``ALLOW_REFRESH_TOKEN_AUTH``.
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
        # No call here takes AWS credentials, so boto3 must not look for any. Cognito throttles with
        # TooManyRequestsException and HTTP 400, which boto3's default retry mode does not retry.
        unsigned = Config(signature_version=UNSIGNED, retries={"mode": "standard", "total_max_attempts": _ATTEMPTS})
        self._user_pools = boto3.client("cognito-idp", region, endpoint_url=endpoint_url, config=unsigned)
        self._identity_pools = boto3.client("cognito-identity", region, endpoint_url=endpoint_url, config=unsigned)
        self._user_pool_id = user_pool_id
        self._client_id = user_pool_client_id
        self._identity_pool_id = identity_pool_id
        self._self_attach_route = None if self_attach_url is None else SelfAttachRoute(self_attach_url, region)
        self._now = now
        self._one_at_a_time = asyncio.Lock()
        self._tokens: Tokens | None = None
        self._identity_id: str | None = None
        self._held: _Held | None = None
        self._token_renewals = Renewals("tokens")
        self._credential_renewals = Renewals("AWS credentials")

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, str], endpoint_url: str | None = None) -> Self:
        """Return a session of the deployment whose stack has these outputs, self-attach included if it has that.

        Args:
            outputs: by name, such as ``pubsub outputs`` prints them.
            endpoint_url: as above.

        Raises:
            ConfigurationError: an output is missing.
        """
        region, user_pool_id, user_pool_client_id, identity_pool_id = read_outputs(
            outputs, Output.REGION, Output.USER_POOL_ID, Output.USER_POOL_CLIENT_ID, Output.IDENTITY_POOL_ID
        )
        return cls(
            region=region,
            user_pool_id=user_pool_id,
            user_pool_client_id=user_pool_client_id,
            identity_pool_id=identity_pool_id,
            endpoint_url=endpoint_url,
            self_attach_url=outputs.get(Output.SELF_ATTACH_URL),
        )

    async def sign_in(self, user_name: str, password: str) -> None:
        """Sign in with SRP: the password itself never leaves this process.

        An app client that allows only choice-based sign-in (``ALLOW_USER_AUTH``) is asked for SRP by that flow. Whoever
        was signed in before is forgotten.

        Raises:
            SignInError: Cognito refuses, or asks for more than the password.
        """
        async with self._one_at_a_time:
            self._forget()
            result = await _sign_in_call(
                sign_in_with_srp, self._user_pools, self._user_pool_id, self._client_id, user_name, password
            )
            self._tokens = Tokens.read(result, self._now())

    async def sign_in_with_code(
        self, user_name: str, read_code: Callable[[str], Awaitable[str]], *, by: Literal["email", "sms"] = "email"
    ) -> None:
        """Sign in without a password, with a one-time code that Cognito sends to the user.

        Needs an app client with ``ALLOW_USER_AUTH`` and a user pool that offers such codes. Whoever was signed in
        before is forgotten once the code is given.

        Args:
            user_name: the user.
            read_code: called with the masked address that the code was sent to; returns the code.
            by: how the code is sent.

        Raises:
            SignInError: Cognito refuses, also a wrong code, or does not offer this to the user.
            ConfigurationError: ``by`` is neither.
        """
        if by not in _CODE_FACTORS:
            raise ConfigurationError(f"by is {by!r}: give 'email' or 'sms'")
        sent = await _sign_in_call(send_code, self._user_pools, self._client_id, user_name, _CODE_FACTORS[by])
        code = await read_code(sent.destination)
        async with self._one_at_a_time:
            self._forget()
            result = await _sign_in_call(answer_code, self._user_pools, self._client_id, sent, code)
            self._tokens = Tokens.read(result, self._now())

    async def use_id_token(self, id_token: str) -> None:
        """Go on as the user of an ID token that was issued elsewhere; it is not renewed when it ends.

        Whoever was signed in before is forgotten.

        Raises:
            LookupError, ValueError: it is no ID token.
        """
        async with self._one_at_a_time:
            self._forget()
            self._tokens = Tokens.read({"IdToken": id_token}, self._now())

    async def identity_id(self) -> str:
        """Return the user's identity id.

        Raises:
            SessionError: nobody is signed in, the session has ended, or Cognito refuses.
        """
        return await asyncio.shield(self._current_identity_id())

    async def credentials(self) -> Credentials:
        """Return AWS credentials of the user's identity, renewed if it is time.

        When that fails, or takes longer than five seconds, what is good is returned as long as it is; the next call
        tries again. Each cause of such a failure is logged once, as a warning of the logger ``pubsub_client``.

        Raises:
            SessionError: nobody is signed in, the session has ended, or Cognito refuses.
        """
        held = self._held if self._held and self._held.validity.is_good(self._now()) else None
        patience = asyncio.timeout(_PATIENCE_SECONDS if held else None)
        try:
            async with patience:
                # Who stops waiting must not take a refresh token along that Cognito has given in place of the last.
                return await asyncio.shield(self._current_credentials())
        except Exception:
            if held is None:
                raise
            if patience.expired():
                self._credential_renewals.failed(f"no answer within {_PATIENCE_SECONDS:g} s")
            return held.credentials

    @property
    def renewal_error(self) -> str | None:
        """Why the last renewal of credentials or tokens failed; None if it succeeded or there was none."""
        return self._credential_renewals.error or self._token_renewals.error

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
        self._tokens = self._identity_id = self._held = None
        self._token_renewals.reset()
        self._credential_renewals.reset()

    async def _current_identity_id(self) -> str:
        async with self._one_at_a_time:
            return self._identity_id or await self._get_identity_id(await self._current_tokens())

    async def _current_credentials(self) -> Credentials:
        async with self._one_at_a_time:
            if self._held is None or self._held.validity.is_due(self._now()):
                credentials = await self._renewed_credentials()
                self._held = _Held(credentials, Validity(self._now(), credentials.expiration))
            return self._held.credentials

    async def _renewed_credentials(self) -> Credentials:
        """Ask for credentials, and log a failure if there were some before: whoever asked may not hear of it."""
        before = self._credential_renewals.error
        try:
            credentials = await self._get_credentials(await self._current_tokens())
        except Exception as error:
            if self._held:
                self._credential_renewals.failed(error)
            if before and isinstance(error, SessionError) and before != str(error):
                raise SessionError(f"{error}; the renewal before failed as well: {before}") from error
            raise
        self._credential_renewals.succeeded()
        return credentials

    async def _current_tokens(self) -> Tokens:
        tokens = self._tokens
        if tokens is None:
            raise SessionError("nobody is signed in: call sign_in() first")
        is_good = tokens.validity.is_good(self._now())
        if tokens.refresh_token is None:
            if not is_good:
                raise SessionError(f"the ID token has ended at {tokens.validity.until:%H:%M:%S %Z}: give a new one")
        elif tokens.validity.is_due(self._now()):
            try:
                self._tokens = await self._refresh(tokens)
            except SessionError as error:
                if not is_good:
                    raise
                self._token_renewals.failed(error)
            else:
                self._token_renewals.succeeded()
        return self._tokens or tokens

    async def _refresh(self, tokens: Tokens) -> Tokens:
        """Ask for new tokens in the one way that app clients with and without refresh token rotation take."""
        refresh: Callable[..., Any] = self._user_pools.get_tokens_from_refresh_token
        device = {"DeviceKey": tokens.device_key} if tokens.device_key else {}
        try:
            answer = await asyncio.to_thread(
                refresh, ClientId=self._client_id, RefreshToken=tokens.refresh_token, **device
            )
        except (ClientError, BotoCoreError) as error:
            code, message = _code_and_message(error)
            if code in _REFRESH_TOKEN_IS_OVER:
                raise SessionError(
                    "the session has ended, sign in again: the user pool does not take its refresh token any more "
                    f"({code}: {message})"
                ) from error
            raise _session_error(error) from error
        result = answer["AuthenticationResult"]
        return Tokens.read(result, self._now(), refresh_token=tokens.refresh_token, device_key=tokens.device_key)

    async def _get_identity_id(self, tokens: Tokens) -> str:
        if self._identity_id is None:
            get_id = self._identity_pools.get_id
            logins = {tokens.login: tokens.id_token}
            answer = await _call(get_id, IdentityPoolId=self._identity_pool_id, Logins=logins)
            self._identity_id = str(answer["IdentityId"])
        return self._identity_id

    async def _get_credentials(self, tokens: Tokens) -> Credentials:
        get_credentials = self._identity_pools.get_credentials_for_identity
        logins = {tokens.login: tokens.id_token}
        try:
            answer = await _call(get_credentials, IdentityId=await self._get_identity_id(tokens), Logins=logins)
        except SessionError as error:
            if not _is_not_found(error):
                raise
            # The identity was deleted since, or is so new that Cognito does not find it yet: ask for it again, once.
            self._identity_id = None
            answer = await _call(get_credentials, IdentityId=await self._get_identity_id(tokens), Logins=logins)
        given = answer["Credentials"]
        return Credentials(given["AccessKeyId"], given["SecretKey"], given["SessionToken"], given.get("Expiration"))


async def _sign_in_call(step: Callable[..., _Answer], *arguments: object) -> _Answer:
    try:
        return await asyncio.to_thread(step, *arguments)
    except (ClientError, BotoCoreError) as error:
        raise SignInError(*_code_and_message(error)) from error


async def _call(operation: Callable[..., Any], **arguments: object) -> Any:
    try:
        return await asyncio.to_thread(operation, **arguments)
    except (ClientError, BotoCoreError) as error:
        raise _session_error(error) from error


def _is_not_found(error: SessionError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "ResourceNotFoundException"


def _session_error(error: ClientError | BotoCoreError) -> SessionError:
    code, message = _code_and_message(error)
    return SessionError(f"Cognito does not answer as it should ({code}): {message}")


def _code_and_message(error: ClientError | BotoCoreError) -> tuple[str, str]:
    if isinstance(error, ClientError):
        told = error.response["Error"]
        return told["Code"], f"{error.operation_name}: {told.get('Message', 'no message')}"
    return type(error).__name__, str(error)
