"""Ready credentials, as the AWS SDK finds them: for services, which sign no user in."""

from __future__ import annotations

import asyncio
import shlex

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from pubsub_client._credentials import Credentials
from pubsub_client._sdk_session import sdk_session
from pubsub_client.exceptions import ConfigurationError, SessionError

SSO_ENDED = (SSOError, TokenRetrievalError)
"""What boto3 raises when the operator's session at IAM Identity Center has ended, or was never begun."""


def sso_login_advice(error: Exception, options: str) -> str:
    """Return what one of :data:`SSO_ENDED` says and the command that begins a session anew.

    Args:
        error: what was raised.
        options: of the command, each with a space before it.
    """
    return f"{str(error).rstrip('.')}; sign in again with: aws sso login{options}"


class SdkCredentials:
    """The credentials that boto3 finds, which renews those that end by itself.

        >>> async with PubSub(AwsIot.from_outputs(outputs, SdkCredentials())) as pubsub:
        ...     await pubsub.publish("service/state", "up")

    They are a profile's, the environment's, those of a container's or an instance's role, or of IAM Identity Center.
    https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html

    Args:
        profile: a profile of the AWS configuration; None is boto3's own choice, ``AWS_PROFILE`` included.

    Raises:
        ConfigurationError: there is no such profile, or the AWS configuration cannot be read.
    """

    def __init__(self, profile: str | None = None) -> None:
        self._login_options = "" if profile is None else f" --profile {shlex.quote(profile)}"
        self._one_at_a_time = asyncio.Lock()
        try:
            self._session = sdk_session(profile)
        except (ProfileNotFound, ConfigParseError) as error:
            raise ConfigurationError(f"{error}; look at the AWS configuration file") from error

    async def credentials(self) -> Credentials:
        """Return the credentials of the moment; boto3 does not say when they end.

        Raises:
            SessionError: there are none, or boto3 cannot get them.
        """
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._find)

    def _find(self) -> Credentials:
        try:
            found = self._session.get_credentials()
            # A role's are fetched only here; on the way may be the metadata service, STS, or a program.
            frozen = found.get_frozen_credentials() if found else None
        except SSO_ENDED as error:
            raise SessionError(sso_login_advice(error, self._login_options)) from error
        except (BotoCoreError, ClientError, RuntimeError) as error:
            raise SessionError(f"boto3 cannot get AWS credentials: {error}") from error
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise SessionError(
                "boto3 finds no AWS credentials: name a profile, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "or run where there is a role"
            )
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
