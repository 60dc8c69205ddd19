"""Sessions of the AWS SDK that use the AWS CLI's region, and their credentials."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.loaders import Loader, create_loader

from pubsub_client._credentials import Credentials
from pubsub_client._guards import CallLock
from pubsub_client.exceptions import ConfigurationError, SessionError

SSO_ERRORS = (SSOError, TokenRetrievalError)
"""boto3's errors if there is no IAM Identity Center session, or it has expired."""


class UnusableConfigurationError(BotoCoreError):
    """The AWS configuration or the environment has a value that the AWS SDK cannot use."""

    fmt = "{why}"


def region_of_environment() -> str | None:
    """Return ``AWS_REGION``, which version 2 of the AWS CLI reads and boto3 does not.

    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
    """
    return os.environ.get("AWS_REGION") or None


def sdk_session(profile: str | None = None, region: str | None = None) -> boto3.Session:
    """Return a session whose clients and credentials raise only botocore's errors.

    The region is the first of: ``region``, ``AWS_REGION``, ``AWS_DEFAULT_REGION``, the profile's. An empty variable
    counts as unset.

    Args:
        profile: a profile of the AWS configuration; None for boto3's choice.
        region: the region; None for that of the environment or the profile.

    Raises:
        botocore.exceptions.ProfileNotFound: the profile does not exist.
        botocore.exceptions.ConfigParseError: the AWS configuration cannot be read.
    """
    core = botocore.session.Session(profile=profile)
    loader = _loader(core.get_config_variable("data_path"))
    core.register_component("data_loader", loader)
    region = region or region_of_environment()
    if not region and os.environ.get("AWS_DEFAULT_REGION") == "":
        # A region of None would not override the empty variable.
        core.get_component("config_store").set_config_variable("region", core.get_scoped_config().get("region"))
    session = _Session(botocore_session=core, region_name=region)
    loader.search_paths[:] = dict.fromkeys(loader.search_paths)  # each boto3 session adds boto3's path again
    return session


@cache
def _loader(data_path: str | None) -> Loader:
    """Return one loader of service descriptions for all sessions, because its cache takes megabytes."""
    return create_loader(data_path)


class _Session(boto3.Session):
    def client(self, *arguments: Any, **keywords: Any) -> Any:
        """Create a client."""
        with _configuration_errors():
            return super().client(*arguments, **keywords)

    def get_credentials(self) -> Any:
        """Find credentials; a role's credentials are fetched on first use."""
        with _configuration_errors():
            return super().get_credentials()


@contextmanager
def _configuration_errors() -> Iterator[None]:
    """Raise UnusableConfigurationError instead of errors that are not botocore's, as of a ``credential_process``."""
    try:
        yield
    except (BotoCoreError, ClientError):
        raise
    except Exception as error:
        raise UnusableConfigurationError(why=f"{type(error).__name__}: {error}") from error


def sso_login_advice(error: Exception, options: str) -> str:
    """Return the text of one of :data:`SSO_ERRORS` with the login command.

    Args:
        error: the error.
        options: the options of the command, each after a space.
    """
    return f"{str(error).rstrip('.')}; sign in again with: aws sso login{options}"


class SdkCredentials:
    """Credentials that boto3 finds and renews, for services without a signed-in user.

        >>> async with PubSub(AwsIot.from_outputs(outputs, SdkCredentials())) as pubsub:
        ...     await pubsub.publish("service/state", "up")

    Sources are profiles, the environment, the role of a container or an instance, and IAM Identity Center.
    https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html

    Args:
        profile: a profile of the AWS configuration; None for boto3's choice, which respects ``AWS_PROFILE``.

    Raises:
        ConfigurationError: the profile does not exist, or the AWS configuration cannot be read.
    """

    def __init__(self, profile: str | None = None) -> None:
        self._login_options = "" if profile is None else f" --profile {shlex.quote(profile)}"
        self._calls = CallLock("SdkCredentials")
        try:
            self._session = sdk_session(profile)
        except (ProfileNotFound, ConfigParseError) as error:
            raise ConfigurationError(f"{error}; check the AWS configuration file") from error

    async def credentials(self) -> Credentials:
        """Return the current credentials, without their expiration, which boto3 does not expose.

        Raises:
            SessionError: boto3 finds no credentials, or cannot get them.
            WrongEventLoop, ProcessForked: another event loop or process uses this object.
        """
        async with self._calls:
            return await asyncio.to_thread(self._find)

    def _find(self) -> Credentials:
        try:
            found = self._session.get_credentials()
            # This fetches a role's credentials from the metadata service, STS or a program.
            frozen = found.get_frozen_credentials() if found else None
        except SSO_ERRORS as error:
            raise SessionError(sso_login_advice(error, self._login_options)) from error
        except (BotoCoreError, ClientError, RuntimeError) as error:
            raise SessionError(f"boto3 cannot get AWS credentials: {error}") from error
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise SessionError(
                "boto3 finds no AWS credentials; pass a profile, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "run with a role"
            )
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
