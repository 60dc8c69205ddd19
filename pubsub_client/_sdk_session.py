"""Sessions of the AWS SDK: of the region that the AWS CLI would choose, and with errors that say what is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader


class UnusableConfigurationError(BotoCoreError):
    """The AWS configuration or the environment says something that the AWS SDK stumbles over."""

    fmt = "{why}"


def region_of_environment() -> str | None:
    """Return the region that ``AWS_REGION`` names, which the AWS CLI's version 2 reads and boto3 does not.

    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
    """
    return os.environ.get("AWS_REGION") or None


def sdk_session(profile: str | None = None, region: str | None = None) -> boto3.Session:
    """Return a session of the first region there is: given, ``AWS_REGION``, ``AWS_DEFAULT_REGION``, the profile's.

    An empty variable counts as unset. Where the configuration is of no use, its clients and credentials raise
    botocore's errors or :class:`UnusableConfigurationError`, and nothing else.

    Args:
        profile: a profile of the AWS configuration; None is boto3's own choice.
        region: the region; None leaves it to the environment and the profile.

    Raises:
        botocore.exceptions.ProfileNotFound: there is no such profile.
        botocore.exceptions.ConfigParseError: the AWS configuration cannot be read.
    """
    core = botocore.session.Session(profile=profile)
    loader = _loader(core.get_config_variable("data_path"))
    core.register_component("data_loader", loader)
    region = region or region_of_environment()
    if not region and os.environ.get("AWS_DEFAULT_REGION") == "":
        # The session's own variable cannot hide the environment's with nothing.
        core.get_component("config_store").set_config_variable("region", core.get_scoped_config().get("region"))
    session = _Session(botocore_session=core, region_name=region)
    loader.search_paths[:] = dict.fromkeys(loader.search_paths)  # each session of boto3 adds boto3's own
    return session


@cache
def _loader(data_path: str | None) -> Loader:
    """Return what reads the descriptions of services: megabytes, of which every session keeps its own by default."""
    return create_loader(data_path)


class _Session(boto3.Session):
    def client(self, *arguments: Any, **keywords: Any) -> Any:
        """Make a client."""
        with _configuration_named():
            return super().client(*arguments, **keywords)

    def get_credentials(self) -> Any:
        """Find credentials; those of a role are fetched when they are first used."""
        with _configuration_named():
            return super().get_credentials()


@contextmanager
def _configuration_named() -> Iterator[None]:
    """Turn what botocore does not expect of a configuration into an error that says where it comes from.

    Raises:
        UnusableConfigurationError: a value cannot be read, or a ``credential_process`` does not do what it should.
    """
    try:
        yield
    except (BotoCoreError, ClientError):
        raise
    except Exception as error:
        raise UnusableConfigurationError(why=f"{type(error).__name__}: {error}") from error
