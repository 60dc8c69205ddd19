"""What AWS tells of the pools and roles that are to be adopted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from pubsub_cli.adoption.adopted import Adopted
from pubsub_cli.aws import Aws
from pubsub_cli.checks.update import lost_settings
from pubsub_cli.iam.roles import attached_policies, role_name
from pubsub_client.outputs import MARKER_ATTRIBUTE

if TYPE_CHECKING:
    from types_boto3_cognito_identity.type_defs import ListIdentitiesInputTypeDef

_PAGE = 60
"""https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_ListIdentities.html"""
_MOST_PAGES = 20
_MOST_LOOKED_AT = 20


@dataclass(frozen=True)
class RoleNow:
    """A role that signed-in users get.

    Args:
        name: its name.
        attached: the names of the managed policies attached to it.
        trusts: whether its trust names the identity pool.
        changes_iot: whether it allows its users to attach IoT policies themselves.
    """

    name: str
    attached: tuple[str, ...]
    trusts: bool
    changes_iot: bool


@dataclass(frozen=True)
class IdentitiesNow:
    """The identities of the identity pool, as far as they were looked at.

    Args:
        signed_in: how many are of signed-in users.
        guests: how many are not.
        whole: whether these are all.
        policies: the IoT policies that those looked at have, by name, with how many of them have it.
        looked_at: how many were asked for their policies.
    """

    signed_in: int
    guests: int
    whole: bool
    policies: Mapping[str, int]
    looked_at: int


@dataclass(frozen=True)
class Inspection:
    """Pools, roles and identities as they are now.

    Args:
        user_pool: what DescribeUserPool tells.
        identity_pool: what DescribeIdentityPool tells; None where the deployment makes one.
        roles: the roles that signed-in users get.
        identities: the identities; None without an identity pool.
        policy_names: which of the IoT policy names asked about are taken.
        groups: the role of each group of the user pool that was asked about and is there; None for a group without one.
    """

    user_pool: Mapping[str, Any]
    identity_pool: Mapping[str, Any] | None
    roles: tuple[RoleNow, ...]
    identities: IdentitiesNow | None
    policy_names: frozenset[str]
    groups: Mapping[str, str | None] = field(default_factory=dict)

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
        """What an update of the pools would reset, because the SDK does not know it."""
        update, identity_update = (
            ("cognito-idp", "UpdateUserPool", self.user_pool),
            ("cognito-identity", "UpdateIdentityPool", self.identity_pool or {}),
        )
        return [*lost_settings(*update), *lost_settings(*identity_update)]

    @property
    def triggers(self) -> Mapping[str, Any]:
        """What is on each trigger of the user pool."""
        triggers: Mapping[str, Any] = self.user_pool.get("LambdaConfig", {})
        return triggers

    @property
    def has_marker(self) -> bool:
        """Whether the user pool has the marker attribute already."""
        return f"custom:{MARKER_ATTRIBUTE}" in {each["Name"] for each in self.user_pool["SchemaAttributes"]}


def inspect(aws: Aws, adopted: Adopted, policy_names: tuple[str, ...], groups: tuple[str, ...] = ()) -> Inspection:
    """Look at what is to be adopted, and change nothing.

    Args:
        aws: the way to AWS.
        adopted: what is to be adopted.
        policy_names: the names that the IoT policy could have.
        groups: the groups of the user pool that are to get roles of the stack.

    Raises:
        botocore.exceptions.ClientError: AWS refuses.
    """
    user_pool = aws.user_pools.describe_user_pool(UserPoolId=str(adopted.user_pool_id))["UserPool"]
    pool_id = adopted.identity_pool_id
    return Inspection(
        user_pool,
        aws.identity_pools.describe_identity_pool(IdentityPoolId=pool_id) if pool_id else None,
        tuple(_role(aws, arn, str(pool_id)) for arn in adopted.role_arns),
        _identities(aws, pool_id) if pool_id else None,
        frozenset(name for name in policy_names if _exists(aws, name)),
        _groups(aws, str(adopted.user_pool_id), groups),
    )


def _groups(aws: Aws, user_pool_id: str, names: tuple[str, ...]) -> dict[str, str | None]:
    if not names:
        return {}
    pages = aws.user_pools.get_paginator("list_groups").paginate(UserPoolId=user_pool_id)
    there = {group["GroupName"]: group.get("RoleArn") for page in pages for group in page["Groups"]}
    return {name: role_arn for name, role_arn in there.items() if name in names}


def _role(aws: Aws, arn: str, identity_pool_id: str) -> RoleNow:
    name = role_name(arn)
    attached = tuple(attached_policies(aws.iam, name))
    role = aws.iam.get_role(RoleName=name)["Role"]
    answer = aws.iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["iot:AttachPolicy"])
    changes = answer["EvaluationResults"][0]["EvalDecision"] == "allowed"
    return RoleNow(name, attached, identity_pool_id in str(role["AssumeRolePolicyDocument"]), changes)


def _identities(aws: Aws, identity_pool_id: str) -> IdentitiesNow:
    signed_in: list[str] = []
    guests = 0
    request: ListIdentitiesInputTypeDef = {"IdentityPoolId": identity_pool_id, "MaxResults": _PAGE}
    token: str | None = None
    for _ in range(_MOST_PAGES):
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
    looked_at = signed_in[:_MOST_LOOKED_AT]
    for identity_id in looked_at:
        for policy in aws.iot.list_attached_policies(target=identity_id)["policies"]:
            policies[policy["policyName"]] = policies.get(policy["policyName"], 0) + 1
    return IdentitiesNow(len(signed_in), guests, token is None, policies, len(looked_at))


def _exists(aws: Aws, policy_name: str) -> bool:
    try:
        aws.iot.get_policy(policyName=policy_name)
    except aws.iot.exceptions.ResourceNotFoundException:
        return False
    return True


@dataclass(frozen=True)
class Candidate:
    """An identity pool that could be adopted."""

    identity_pool_id: str
    name: str
    user_pool_ids: tuple[str, ...]


def candidates(aws: Aws, most: int = 50) -> list[Candidate]:
    """Return the identity pools of the account that take tokens of a user pool.

    Raises:
        botocore.exceptions.ClientError: AWS refuses.
    """
    pages = aws.identity_pools.get_paginator("list_identity_pools").paginate(PaginationConfig={"PageSize": _PAGE})
    found = []
    for pool in islice((each for page in pages for each in page["IdentityPools"]), most):
        described = aws.identity_pools.describe_identity_pool(IdentityPoolId=pool["IdentityPoolId"])
        providers = described.get("CognitoIdentityProviders", [])
        user_pools = tuple(sorted({each["ProviderName"].rpartition("/")[2] for each in providers}))
        if user_pools:
            found.append(Candidate(pool["IdentityPoolId"], pool["IdentityPoolName"], user_pools))
    return found
