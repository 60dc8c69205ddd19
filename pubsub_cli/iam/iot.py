"""AWS IoT policies: their versions, and the policies attached to an identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pubsub_cli.iam.documents import Policy

if TYPE_CHECKING:
    from types_boto3_iot import IoTClient

MAX_VERSIONS = 5
"""Versions that AWS IoT keeps of a policy: https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""


@dataclass(frozen=True)
class IotPolicy:
    """A policy and its versions.

    Args:
        name: its name.
        arn: its ARN.
        policy: the version in effect.
        others: the ids of the other versions, the latest first.
    """

    name: str
    arn: str
    policy: Policy
    others: tuple[str, ...]


def read_iot_policy(iot: IoTClient, name: str) -> IotPolicy:
    """Read a policy in the version that is in effect.

    Raises:
        iot.exceptions.ResourceNotFoundException: there is no such policy.
        botocore.exceptions.ClientError: reading it is not permitted.
    """
    described = iot.get_policy(policyName=name)
    versions = iot.list_policy_versions(policyName=name)["policyVersions"]
    others = sorted((each["versionId"] for each in versions if not each["isDefaultVersion"]), key=int, reverse=True)
    title = f"the IoT policy {name} (version {described['defaultVersionId']}, in effect)"
    policy = Policy.read(title, name, described["policyDocument"])
    return IotPolicy(name, described["policyArn"], policy, tuple(others))


def read_version(iot: IoTClient, name: str, version: str) -> Policy:
    """Read a version that is not in effect.

    Raises:
        botocore.exceptions.ClientError: there is no such version, or reading it is not permitted.
    """
    document = iot.get_policy_version(policyName=name, policyVersionId=version)["policyDocument"]
    return Policy.read(f"the IoT policy {name} (version {version})", name, document)


def attached_to(iot: IoTClient, identity_id: str) -> list[str]:
    """Return the names of the policies attached to an identity.

    Raises:
        botocore.exceptions.ClientError: the call is not permitted.
    """
    pages = iot.get_paginator("list_attached_policies").paginate(target=identity_id)
    return [each["policyName"] for page in pages for each in page["policies"]]
