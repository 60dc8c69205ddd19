"""A signed-in user: tokens, identity id and AWS credentials, renewed before they expire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn, Self, TypeVar
from weakref import WeakSet

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pubsub_client._credentials import Credentials, RenewalLog, Tokens, UserWatcher, Validity, is_same_user
from pubsub_client._guards import CallLock
from pubsub_client._self_attach import SelfAttachment, SelfAttachRoute
from pubsub_client._sign_in import CodeFactor, answer_code, send_code, sign_in_with_srp
from pubsub_client.exceptions import ConfigurationError, SessionError, SignInError
from pubsub_client.outputs import Output, require_outputs

_T = TypeVar("_T")

# While the previous credentials are valid, a call waits no longer for new ones.
_RENEWAL_TIMEOUT_SECONDS = 5.0
_ATTEMPTS = 5
_OTHER_USER = "another user signed in to the session"
_NO_USER = "the session's user signed out, or a sign-in failed"
_CODE_FACTORS = {"email": CodeFactor.EMAIL, "sms": CodeFactor.SMS}
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_GetTokensFromRefreshToken.html
_REFRESH_TOKEN_ENDED = ("NotAuthorizedException", "RefreshTokenReuseException")


@dataclass(frozen=True)
class _CachedCredentials:
    """Credentials, and when to renew them."""

    credentials: Credentials
    validity: Validity


class CognitoSession:
    """A signed-in user: signs in, and returns the user's identity id and AWS credentials.

        >>> session = CognitoSession.from_outputs(outputs)
        >>> await session.sign_in("ada", password)
        >>> identity_id = await session.identity_id()
        >>> await session.sign_out()

    A call renews tokens and credentials that expire within five minutes, or within a fifth of their lifetime if that is
    shorter. If the user signs out or another user signs in, connections of the previous user end with UserChanged.

    Several event loops may use a session one after another. While a call is in progress, calls from another event loop
    raise WrongEventLoop. In a child process, calls raise ProcessForked if the session was used before the fork.

    Args:
        region: the region of both pools.
        user_pool_id: the user pool.
        user_pool_client_id: an app client without a secret that allows ``ALLOW_USER_SRP_AUTH`` or ``ALLOW_USER_AUTH``
            and, unless it rotates refresh tokens, ``ALLOW_REFRESH_TOKEN_AUTH``.
        identity_pool_id: the identity pool that accepts this app client's tokens.
        endpoint_url: Cognito's address; None for boto3's choice, which respects ``AWS_ENDPOINT_URL``.
        self_attach_url: the stack's output ``SelfAttachUrl``; the client then self-attaches when AWS IoT denies the
            connection.
        now: returns the current time with a time zone.

    Raises:
        ConfigurationError: ``self_attach_url`` is not the URL of a self-attach route.
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
        # These calls need no AWS credentials, so boto3 must not search for any. Cognito throttles with
        # TooManyRequestsException and HTTP 400, which boto3's default retry mode does not retry.
        unsigned = Config(signature_version=UNSIGNED, retries={"mode": "standard", "total_max_attempts": _ATTEMPTS})
        self._user_pools = boto3.client("cognito-idp", region, endpoint_url=endpoint_url, config=unsigned)
        self._identity_pools = boto3.client("cognito-identity", region, endpoint_url=endpoint_url, config=unsigned)
        self._user_pool_id = user_pool_id
        self._client_id = user_pool_client_id
        self._identity_pool_id = identity_pool_id
        self._self_attach_route = None if self_attach_url is None else SelfAttachRoute(self_attach_url, region)
        self._now = now
        self._calls = CallLock("CognitoSession")
        self._watchers: WeakSet[UserWatcher] = WeakSet()
        self._tokens: Tokens | None = None
        self._identity_id: str | None = None
        self._cached: _CachedCredentials | None = None
        self._token_log = RenewalLog("tokens")
        self._credential_log = RenewalLog("AWS credentials")

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, str], endpoint_url: str | None = None) -> Self:
        """Return a session for the deployment with these stack outputs, with self-attach if the stack has it.

        Args:
            outputs: the outputs by name, as ``pubsub outputs`` prints them.
            endpoint_url: see the class.

        Raises:
            ConfigurationError: an output is missing.
        """
        region, user_pool_id, user_pool_client_id, identity_pool_id = require_outputs(
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

    def __reduce__(self) -> NoReturn:
        """Raise ConfigurationError: ``multiprocessing`` cannot pass a session to another process."""
        raise ConfigurationError("a CognitoSession cannot be passed to another process; create one in each process")

    async def sign_in(self, user_name: str, password: str) -> None:
        """Sign in with a password by SRP, which does not send the password.

        If the app client allows only choice-based sign-in (``ALLOW_USER_AUTH``), that flow is used. The session forgets
        its previous user.

        Raises:
            SignInError: Cognito rejects the sign-in, or requires more than the password.
        """
        async with self._calls:
            with self._change_user():
                result = await _sign_in_call(
                    sign_in_with_srp, self._user_pools, self._user_pool_id, self._client_id, user_name, password
                )
                self._tokens = Tokens.from_result(result, self._now())

    async def sign_in_with_code(
        self, user_name: str, read_code: Callable[[str], Awaitable[str]], *, by: Literal["email", "sms"] = "email"
    ) -> None:
        """Sign in without a password, with a one-time code that Cognito sends to the user.

        The app client must allow ``ALLOW_USER_AUTH``, and the user pool must offer one-time codes. The session forgets
        its previous user after ``read_code`` returns.

        Args:
            user_name: the user.
            read_code: called with the masked address that the code was sent to; returns the code.
            by: how Cognito sends the code.

        Raises:
            SignInError: Cognito rejects the sign-in or the code, or does not offer codes to this user.
            ConfigurationError: ``by`` is not one of the two values.
        """
        if by not in _CODE_FACTORS:
            raise ConfigurationError(f"by is {by!r}; pass 'email' or 'sms'")
        self._calls.check()
        sent = await _sign_in_call(send_code, self._user_pools, self._client_id, user_name, _CODE_FACTORS[by])
        code = await read_code(sent.destination)
        async with self._calls:
            with self._change_user():
                result = await _sign_in_call(answer_code, self._user_pools, self._client_id, sent, code)
                self._tokens = Tokens.from_result(result, self._now())

    async def use_id_token(self, id_token: str) -> None:
        """Use an ID token that other code received; it cannot be renewed. The session forgets its previous user.

        Raises:
            LookupError, ValueError: the text is not an ID token.
        """
        async with self._calls:
            with self._change_user():
                self._tokens = Tokens.from_result({"IdToken": id_token}, self._now())

    async def identity_id(self) -> str:
        """Return the user's identity id.

        Raises:
            SessionError: no user is signed in, the session has ended, or Cognito reports an error.
        """
        return await asyncio.shield(self._current_identity_id())

    async def credentials(self) -> Credentials:
        """Return AWS credentials of the user's identity, renewed if they expire soon.

        If the renewal fails or takes longer than five seconds, this returns the previous credentials while they are
        valid, and the next call tries again. The logger ``pubsub_client`` warns once of each cause.

        Raises:
            SessionError: no user is signed in, the session has ended, or Cognito reports an error.
        """
        self._calls.check()
        valid = self._cached if self._cached and self._cached.validity.is_valid(self._now()) else None
        timeout = asyncio.timeout(_RENEWAL_TIMEOUT_SECONDS if valid else None)
        try:
            async with timeout:
                # A cancelled call must not lose a new refresh token, because Cognito may have ended the previous one.
                return await asyncio.shield(self._current_credentials())
        except Exception:
            if valid is None:
                raise
            if timeout.expired():
                self._credential_log.failed(f"no response within {_RENEWAL_TIMEOUT_SECONDS:g} s")
            return valid.credentials

    @property
    def renewal_error(self) -> str | None:
        """The error of the last renewal of credentials or tokens; None if it succeeded or there was none."""
        return self._credential_log.error or self._token_log.error

    @property
    def can_self_attach(self) -> bool:
        """Whether this session has a ``self_attach_url``."""
        return self._self_attach_route is not None

    async def self_attach(self) -> SelfAttachment:
        """Attach the IoT policy to the user's identity by the self-attach route, if it is not attached yet.

        A new attachment can take minutes to take effect.

        Raises:
            SessionError: no user is signed in, or the route rejects the request, fails or cannot be reached. A busy
                route is retried for 20 seconds.
            ConfigurationError: this session has no ``self_attach_url``.
        """
        if self._self_attach_route is None:
            raise ConfigurationError("this session cannot self-attach; pass the stack's output SelfAttachUrl")
        return await self._self_attach_route.attach(await self.credentials())

    async def sign_out(self) -> None:
        """Revoke the refresh token and forget the user; do nothing if no user is signed in.

        AWS credentials that this session has returned stay valid until they expire.

        Raises:
            SessionError: Cognito did not revoke the token. The session forgets the user nevertheless.
        """
        async with self._calls:
            tokens = self._tokens
            with self._change_user():
                pass  # no user follows
            if tokens and tokens.refresh_token:
                revoke = self._user_pools.revoke_token
                await _call(revoke, Token=tokens.refresh_token, ClientId=self._client_id)

    def watch_user(self, watcher: UserWatcher) -> None:
        """Call the watcher when the user signs out or is replaced; used by connections."""
        self._watchers.add(watcher)

    @contextmanager
    def _change_user(self) -> Iterator[None]:
        """Forget the user; at the end, notify the watchers unless the same user is signed in again."""
        before = self._tokens
        self._tokens = self._identity_id = self._cached = None
        self._token_log.reset()
        self._credential_log.reset()
        try:
            yield
        finally:
            if before and not is_same_user(before, self._tokens):
                reason = _OTHER_USER if self._tokens else _NO_USER
                for watcher in list(self._watchers):
                    watcher.user_changed(reason)

    async def _current_identity_id(self) -> str:
        async with self._calls:
            return self._identity_id or await self._get_identity_id(await self._current_tokens())

    async def _current_credentials(self) -> Credentials:
        async with self._calls:
            if self._cached is None or self._cached.validity.needs_refresh(self._now()):
                credentials = await self._renewed_credentials()
                self._cached = _CachedCredentials(credentials, Validity(self._now(), credentials.expiration))
            return self._cached.credentials

    async def _renewed_credentials(self) -> Credentials:
        """Request credentials, and log a failure that callers do not see while the previous credentials are valid."""
        before = self._credential_log.error
        try:
            credentials = await self._get_credentials(await self._current_tokens())
        except Exception as error:
            if self._cached:
                self._credential_log.failed(error)
            if before and isinstance(error, SessionError) and before != str(error):
                raise SessionError(f"{error}; the previous renewal failed too: {before}") from error
            raise
        self._credential_log.succeeded()
        return credentials

    async def _current_tokens(self) -> Tokens:
        tokens = self._tokens
        if tokens is None:
            raise SessionError("no user is signed in; call sign_in() first")
        is_valid = tokens.validity.is_valid(self._now())
        if tokens.refresh_token is None:
            if not is_valid:
                raise SessionError(
                    f"the ID token expired at {tokens.validity.until:%H:%M:%S %Z}; pass a new one to use_id_token()"
                )
        elif tokens.validity.needs_refresh(self._now()):
            try:
                self._tokens = await self._refresh(tokens)
            except SessionError as error:
                if not is_valid:
                    raise
                self._token_log.failed(error)
            else:
                self._token_log.succeeded()
        return self._tokens or tokens

    async def _refresh(self, tokens: Tokens) -> Tokens:
        """Request new tokens by the operation that works with and without refresh token rotation."""
        refresh: Callable[..., Any] = self._user_pools.get_tokens_from_refresh_token
        device = {"DeviceKey": tokens.device_key} if tokens.device_key else {}
        try:
            response = await asyncio.to_thread(
                refresh, ClientId=self._client_id, RefreshToken=tokens.refresh_token, **device
            )
        except (ClientError, BotoCoreError) as error:
            code, message = _code_and_message(error)
            if code in _REFRESH_TOKEN_ENDED:
                raise SessionError(
                    f"the session has ended; sign in again (Cognito rejected the refresh token: {code}: {message})"
                ) from error
            raise _session_error(error) from error
        result = response["AuthenticationResult"]
        return Tokens.from_result(result, self._now(), tokens)

    async def _get_identity_id(self, tokens: Tokens) -> str:
        if self._identity_id is None:
            get_id = self._identity_pools.get_id
            logins = {tokens.login: tokens.id_token}
            response = await _call(get_id, IdentityPoolId=self._identity_pool_id, Logins=logins)
            self._identity_id = str(response["IdentityId"])
        return self._identity_id

    async def _get_credentials(self, tokens: Tokens) -> Credentials:
        get_credentials = self._identity_pools.get_credentials_for_identity
        logins = {tokens.login: tokens.id_token}
        try:
            response = await _call(get_credentials, IdentityId=await self._get_identity_id(tokens), Logins=logins)
        except SessionError as error:
            if not _is_not_found(error):
                raise
            # The identity was deleted, or Cognito does not find a new one yet: request it again, once.
            self._identity_id = None
            response = await _call(get_credentials, IdentityId=await self._get_identity_id(tokens), Logins=logins)
        keys = response["Credentials"]
        return Credentials(keys["AccessKeyId"], keys["SecretKey"], keys["SessionToken"], keys.get("Expiration"))


async def _sign_in_call(step: Callable[..., _T], *arguments: object) -> _T:
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
    return SessionError(f"Cognito returned an error ({code}): {message}")


def _code_and_message(error: ClientError | BotoCoreError) -> tuple[str, str]:
    if isinstance(error, ClientError):
        details = error.response["Error"]
        return details["Code"], f"{error.operation_name}: {details.get('Message', 'no message')}"
    return type(error).__name__, str(error)
