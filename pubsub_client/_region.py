"""Which AWS region is meant, in the order of the AWS CLI's version 2."""

from __future__ import annotations

import os

import boto3
import botocore.session


def region_of_environment() -> str | None:
    """Return the region that ``AWS_REGION`` names, which the AWS CLI reads and boto3 does not.

    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
    """
    return os.environ.get("AWS_REGION") or None


def sdk_session(profile: str | None = None, region: str | None = None) -> boto3.Session:
    """Return a session of the first region there is: given, ``AWS_REGION``, ``AWS_DEFAULT_REGION``, the profile's.

    An empty variable counts as unset.

    Args:
        profile: a profile of the AWS configuration; None is boto3's own choice.
        region: the region; None leaves it to the environment and the profile.

    Raises:
        botocore.exceptions.ProfileNotFound: there is no such profile.
        botocore.exceptions.ConfigParseError: the AWS configuration cannot be read.
    """
    chosen = region or region_of_environment()
    if chosen or os.environ.get("AWS_DEFAULT_REGION") != "":
        return boto3.Session(profile_name=profile, region_name=chosen)
    core = botocore.session.Session(profile=profile)
    # The session's own variable cannot hide the environment's with nothing.
    core.get_component("config_store").set_config_variable("region", core.get_scoped_config().get("region"))
    return boto3.Session(botocore_session=core)
