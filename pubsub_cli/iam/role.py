"""A role as IAM tells it: what its policies say, and what bounds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pubsub_cli.iam.document import Policy

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient


@dataclass(frozen=True)
class Role:
    """A role and what decides on its requests.

    Args:
        name: its name.
        arn: its ARN.
        policies: its inline and attached policies.
        boundary: its permissions boundary; None without one.
    """

    name: str
    arn: str
    policies: tuple[Policy, ...]
    boundary: Policy | None


def role_name(role_arn: str) -> str:
    """Return the name in a role's ARN, which may have a path before it."""
    return role_arn.rpartition("/")[2]


def read_role(iam: IAMClient, role_arn: str) -> Role:
    """Read a role with all its policies, the managed ones in the version that is in effect.

    Raises:
        iam.exceptions.NoSuchEntityException: there is no such role, or a policy of it has just gone.
        botocore.exceptions.ClientError: it may not be read.
    """
    name = role_name(role_arn)
    # boto3 decodes the documents; its types call them text.
    role: Any = iam.get_role(RoleName=name)["Role"]
    inline = [
        each for page in iam.get_paginator("list_role_policies").paginate(RoleName=name) for each in page["PolicyNames"]
    ]
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return Role(
        name=name,
        arn=role["Arn"],
        policies=(
            *(_inline(iam, name, each) for each in inline),
            *(_managed(iam, each, "the policy") for each in attached_policies(iam, name).values()),
        ),
        boundary=_managed(iam, boundary, "the permissions boundary") if boundary else None,
    )


def attached_policies(iam: IAMClient, name: str) -> dict[str, str]:
    """Return the ARN of each policy attached to a role, by the policy's name.

    Raises:
        iam.exceptions.NoSuchEntityException: there is no such role.
        botocore.exceptions.ClientError: it may not be read.
    """
    pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
    return {each["PolicyName"]: each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]}


def _inline(iam: IAMClient, role: str, name: str) -> Policy:
    document: Any = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return Policy.read(f"the inline policy {name}", name, document)


def _managed(iam: IAMClient, arn: str, what: str) -> Policy:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document: Any = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return Policy.read(f"{what} {arn.rpartition('/')[2]}", arn, document)
