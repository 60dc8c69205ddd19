"""The current state of the pools, roles and identities to adopt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pubsub_cli.adoption.discovery import Adopted, pools_of_deployments
from pubsub_cli.aws import Aws
from pubsub_cli.cognito_updates import lost_settings
from pubsub_cli.iam.roles import attached_policies, role_name
from pubsub_client.outputs import MARKER_ATTRIBUTE

if TYPE_CHECKING:
    from types_boto3_cognito_identity.type_defs import ListIdentitiesInputTypeDef

_PAGE = 60
"""https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_ListIdentities.html"""
_MAX_PAGES = 20
_MAX_SAMPLE = 20


@dataclass(frozen=True)
class RoleState:
    """A role that signed-in users get.

    Args:
        name: its name.
        attached: the names of its managed policies.
        trusts: whether its trust policy contains the identity pool.
        changes_iot: whether its users can attach IoT policies.
        inline_characters: the size of its inline policies, as IAM counts it.
    """

    name: str
    attached: tuple[str, ...]
    trusts: bool
    changes_iot: bool
    inline_characters: int = 0


@dataclass(frozen=True)
class IdentityStatistics:
    """The identities of an identity pool.

    Args:
        signed_in: the number of signed-in users.
        guests: the number of guests.
        complete: whether all identities were counted.
        policies: the number of identities in a sample by IoT policy.
        sample: the size of the sample.
    """

    signed_in: int
    guests: int
    complete: bool
    policies: Mapping[str, int]
    sample: int


@dataclass(frozen=True)
class Inspection:
    """The current state of pools, roles and identities.

    Args:
        user_pool: the DescribeUserPool answer.
        identity_pool: the DescribeIdentityPool answer; None if the deployment will create the identity pool.
        roles: the roles that signed-in users get.
        identities: the identities; None without an identity pool.
        policy_names: the requested names of IoT policies that already exist.
        groups: the role of each requested group that exists; None for a group without a role.
        deployment: the stack of this toolkit that created one of the pools; None if they are of another origin.
    """

    user_pool: Mapping[str, Any]
    identity_pool: Mapping[str, Any] | None
    roles: tuple[RoleState, ...]
    identities: IdentityStatistics | None
    policy_names: frozenset[str]
    groups: Mapping[str, str | None] = field(default_factory=dict)
    deployment: str | None = None

    @property
    def sms_role_arn(self) -> str | None:
        """The role with which the user pool sends SMS."""
        arn: str | None = self.user_pool.get("SmsConfiguration", {}).get("SnsCallerArn")
        return arn

    @property
    def custom_sender_key_arn(self) -> str | None:
        """The key of the user pool's custom senders."""
        arn: str | None = self.triggers.get("KMSKeyID")
        return arn

    @property
    def unknown_settings(self) -> list[str]:
        """Settings of the pools that the SDK does not know, so that an update would reset them."""
        update, identity_update = (
            ("cognito-idp", "UpdateUserPool", self.user_pool),
            ("cognito-identity", "UpdateIdentityPool", self.identity_pool or {}),
        )
        return [*lost_settings(*update), *lost_settings(*identity_update)]

    @property
    def triggers(self) -> Mapping[str, Any]:
        """The user pool's triggers."""
        triggers: Mapping[str, Any] = self.user_pool.get("LambdaConfig", {})
        return triggers

    @property
    def has_marker(self) -> bool:
        """Whether the user pool has the marker attribute."""
        return f"custom:{MARKER_ATTRIBUTE}" in {each["Name"] for each in self.user_pool["SchemaAttributes"]}


def inspect(aws: Aws, adopted: Adopted, policy_names: tuple[str, ...], groups: tuple[str, ...] = ()) -> Inspection:
    """Read the state of pools, roles and identities.

    Args:
        aws: the operator's clients.
        adopted: the pools and roles to adopt.
        policy_names: the possible names of the IoT policy.
        groups: the groups of the user pool that will get roles of the stack.
    """
    deployed = pools_of_deployments(aws)
    user_pool = aws.user_pools.describe_user_pool(UserPoolId=str(adopted.user_pool_id))["UserPool"]
    pool_id = adopted.identity_pool_id
    return Inspection(
        user_pool,
        aws.identity_pools.describe_identity_pool(IdentityPoolId=pool_id) if pool_id else None,
        tuple(_role(aws, arn, str(pool_id)) for arn in adopted.role_arns),
        _identities(aws, pool_id) if pool_id else None,
        frozenset(name for name in policy_names if _exists(aws, name)),
        _groups(aws, str(adopted.user_pool_id), groups),
        deployed.get(str(adopted.user_pool_id)) or deployed.get(str(pool_id)),
    )


def _groups(aws: Aws, user_pool_id: str, names: tuple[str, ...]) -> dict[str, str | None]:
    if not names:
        return {}
    pages = aws.user_pools.get_paginator("list_groups").paginate(UserPoolId=user_pool_id)
    there = {group["GroupName"]: group.get("RoleArn") for page in pages for group in page["Groups"]}
    return {name: role_arn for name, role_arn in there.items() if name in names}


def _role(aws: Aws, arn: str, identity_pool_id: str) -> RoleState:
    name = role_name(arn)
    attached = tuple(attached_policies(aws.iam, name))
    role = aws.iam.get_role(RoleName=name)["Role"]
    answer = aws.iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["iot:AttachPolicy"])
    changes = answer["EvaluationResults"][0]["EvalDecision"] == "allowed"
    pages = aws.iam.get_paginator("list_role_policies").paginate(RoleName=name)
    inline = [aws.iam.get_role_policy(RoleName=name, PolicyName=each) for page in pages for each in page["PolicyNames"]]
    size = sum(policy_size(each["PolicyDocument"]) for each in inline)
    return RoleState(name, attached, identity_pool_id in str(role["AssumeRolePolicyDocument"]), changes, size)


def policy_size(document: object) -> int:
    """Return the number of characters of a policy document without white space, which IAM does not count."""
    return len("".join(json.dumps(document).split()))


def _identities(aws: Aws, identity_pool_id: str) -> IdentityStatistics:
    signed_in: list[str] = []
    guests = 0
    request: ListIdentitiesInputTypeDef = {"IdentityPoolId": identity_pool_id, "MaxResults": _PAGE}
    token: str | None = None
    for _ in range(_MAX_PAGES):
        page = aws.identity_pools.list_identities(**request)
        for identity in page.get("Identities", []):
            if identity.get("Logins"):
                signed_in.append(identity["IdentityId"])
            else:
                guests += 1
        token = page.get("NextToken")
        if token is None:
            break
        request["NextToken"] = token
    policies: dict[str, int] = {}
    sample = signed_in[:_MAX_SAMPLE]
    for identity_id in sample:
        for policy in aws.iot.list_attached_policies(target=identity_id)["policies"]:
            policies[policy["policyName"]] = policies.get(policy["policyName"], 0) + 1
    return IdentityStatistics(len(signed_in), guests, token is None, policies, len(sample))


def _exists(aws: Aws, policy_name: str) -> bool:
    try:
        aws.iot.get_policy(policyName=policy_name)
    except aws.iot.exceptions.ResourceNotFoundException:
        return False
    return True
