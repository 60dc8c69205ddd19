"""An IoT policy as AWS IoT tells it: its versions, and which of them is in effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pubsub_cli.iam.document import Policy

if TYPE_CHECKING:
    from types_boto3_iot import IoTClient

MOST_VERSIONS = 5
"""How many versions of a policy AWS IoT keeps: https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""


@dataclass(frozen=True)
class IotPolicy:
    """A policy and its versions.

    Args:
        name: its name.
        arn: its ARN.
        default: the id of the version in effect.
        policy: that version.
        others: the ids of the other versions, the latest first.
    """

    name: str
    arn: str
    default: str
    policy: Policy
    others: tuple[str, ...]


def read_iot_policy(iot: IoTClient, name: str) -> IotPolicy:
    """Read a policy in the version that is in effect.

    Raises:
        iot.exceptions.ResourceNotFoundException: there is no such policy.
        botocore.exceptions.ClientError: it may not be read.
    """
    described = iot.get_policy(policyName=name)
    versions = iot.list_policy_versions(policyName=name)["policyVersions"]
    others = sorted((each["versionId"] for each in versions if not each["isDefaultVersion"]), key=int, reverse=True)
    return IotPolicy(
        name=name,
        arn=described["policyArn"],
        default=described["defaultVersionId"],
        policy=Policy.read(
            f"the IoT policy {name} (version {described['defaultVersionId']}, in effect)",
            name,
            described["policyDocument"],
        ),
        others=tuple(others),
    )


def read_version(iot: IoTClient, name: str, version: str) -> Policy:
    """Read a version that is not in effect.

    Raises:
        botocore.exceptions.ClientError: it has gone, or may not be read.
    """
    document = iot.get_policy_version(policyName=name, policyVersionId=version)["policyDocument"]
    return Policy.read(f"the IoT policy {name} (version {version})", name, document)


def attached_to(iot: IoTClient, identity_id: str) -> list[str]:
    """Return the names of the policies attached to an identity.

    Raises:
        botocore.exceptions.ClientError: it may not be asked.
    """
    pages = iot.get_paginator("list_attached_policies").paginate(target=identity_id)
    return [each["policyName"] for page in pages for each in page["policies"]]
