"""Custom resource beside a user pool: its triggers are taken off before the functions behind them go.

A user pool that outlives its stack would go on calling functions that are gone, and every sign-in would fail. A pool
that was there already is not this stack's to define, so here it gets its triggers and its marker attribute as well.
Groups stay with their members whatever happens; one that the settings no longer name gets the role of users without a
group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from iam_propagation import waits_for_permissions
from pool_update import kept

if TYPE_CHECKING:
    from collections.abc import Mapping

_user_pools = boto3.client("cognito-idp", config=Config(retries={"mode": "standard", "total_max_attempts": 8}))

_MADE_HERE = "Its users get an IAM role of their own from Amplify PubSub"
"""The description of groups made here, by which they are known again after their stack has gone."""
_AFTER_ALL_OTHERS = 2**31 - 1
"""The precedence of a group whose role is no longer its own."""


class NotAsExpectedError(Exception):
    """The user pool cannot be worked with: the message says what about it is not as the settings have it."""


class SecondFactorLostError(Exception):
    """The pool's second factor was switched off and could not be switched on again; the message says how to do it."""


@waits_for_permissions(_user_pools)
def on_event(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Wire the pool, or take our triggers off; both leave everything else of the pool as it is.

    Properties: ``UserPoolId``; ``OutlivesStack``, whether it stays when the stack goes, ``true`` or ``false``;
    ``MarkerAttribute`` and ``MarkerLength``, the custom attribute that the pool is to have, if they are given;
    ``Triggers``, function ARNs by trigger, those of an earlier deployment that are not among them are taken off;
    ``ChainedTriggers``, a list of those whose own function calls ours, which are left as they are; ``Groups``, a list
    of ``{"Name", "RoleArn"}`` in the order of their precedence; ``AuthRoleArn``, the role of users without a group.

    Raises:
        NotAsExpectedError: the pool has another function on one of the triggers, or none where one is chained.
        SecondFactorLostError: changing the pool has cost it its second factor.
        botocore.exceptions.ClientError: Cognito refuses.
    """
    properties = event["ResourceProperties"]
    user_pool_id, triggers = properties["UserPoolId"], properties["Triggers"]
    if event["RequestType"] == "Delete":
        if properties["OutlivesStack"] == "true":
            _unwire(user_pool_id, triggers)
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    before = event.get("OldResourceProperties", {"Triggers": {}, "Groups": []})
    pool = _user_pools.describe_user_pool(UserPoolId=user_pool_id)["UserPool"]
    _check(pool, properties, before)
    _put_marker_attribute(pool, properties)
    _put_groups(user_pool_id, properties, {group["Name"] for group in before["Groups"]})
    try:
        _set_triggers(pool, _without(before["Triggers"], _wired(pool)) | triggers)
    except Exception:
        # CloudFormation never deletes what it failed to create, so nobody else would take the triggers off again.
        if event["RequestType"] == "Create":
            _unwire(user_pool_id, triggers)
        raise
    return {"PhysicalResourceId": f"{user_pool_id}/wiring"}


def _check(pool: Mapping[str, Any], properties: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Check that the pool is as the settings have it, before anything of it is changed."""
    name, wired = f"user pool {pool['Id']}", _wired(pool)
    for trigger, function_arn in properties["Triggers"].items():
        there = wired.get(trigger, function_arn)
        if there not in (function_arn, *before["Triggers"].values()):
            raise NotAsExpectedError(
                f"{name} has {there} on its trigger {trigger}. Take it off, or have it call ours and name the trigger "
                "in the setting adopt.chainedTriggers: docs/adopting.md#triggers-of-your-own"
            )
    for trigger in properties.get("ChainedTriggers", []):
        if wired.get(trigger) in (None, *before["Triggers"].values()):
            raise NotAsExpectedError(
                f"{name} has no function of its own on its trigger {trigger}, which adopt.chainedTriggers names: leave "
                "it out there, and ours is set"
            )


def _put_marker_attribute(pool: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    """Add the attribute to a pool that lacks it; a pool made by this stack never does."""
    name = properties.get("MarkerAttribute")
    if name is None or f"custom:{name}" in {each["Name"] for each in pool["SchemaAttributes"]}:
        return
    _user_pools.add_custom_attributes(
        UserPoolId=pool["Id"],
        CustomAttributes=[
            {
                "Name": name,
                "AttributeDataType": "String",
                "Mutable": True,
                "StringAttributeConstraints": {"MinLength": "0", "MaxLength": properties["MarkerLength"]},
            }
        ],
    )


def _unwire(user_pool_id: str, triggers: Mapping[str, str]) -> None:
    try:
        pool = _user_pools.describe_user_pool(UserPoolId=user_pool_id)["UserPool"]
    except _user_pools.exceptions.ResourceNotFoundException:
        return
    _set_triggers(pool, _without(triggers, _wired(pool)))


def _without(ours: Mapping[str, str], wired: Mapping[str, Any]) -> dict[str, Any]:
    return {trigger: arn for trigger, arn in wired.items() if arn != ours.get(trigger)}


def _wired(pool: Mapping[str, Any]) -> dict[str, Any]:
    return dict(pool.get("LambdaConfig", {}))


def _set_triggers(pool: Mapping[str, Any], triggers: Mapping[str, Any]) -> None:
    """Let the pool have these triggers, if it has not, and change nothing else."""
    if triggers == _wired(pool):
        return
    changes = kept(_user_pools, "UpdateUserPool", pool) | {"UserPoolId": pool["Id"], "LambdaConfig": triggers}
    if "TemporaryPasswordValidityDays" in changes.get("Policies", {}).get("PasswordPolicy", {}):
        # The older name of the same days, told as well; giving both is refused.
        users_by_admin = {**changes.get("AdminCreateUserConfig", {})}
        users_by_admin.pop("UnusedAccountValidityDays", None)
        changes["AdminCreateUserConfig"] = users_by_admin
    try:
        _user_pools.update_user_pool(**changes)
    except _user_pools.exceptions.InvalidParameterException:
        if changes.pop("MfaConfiguration", "OFF") == "OFF":
            raise
        _update_around_second_factor(changes)


def _update_around_second_factor(changes: Mapping[str, Any]) -> None:
    """Update a pool whose second factor UpdateUserPool takes for one by SMS, which the pool has no configuration for.

    Not given, it is switched off, and on again by the operation that is made for it.
    https://github.com/aws/aws-cli/issues/3876
    """
    user_pool_id = changes["UserPoolId"]
    second_factor: dict[str, Any] = {**_user_pools.get_user_pool_mfa_config(UserPoolId=user_pool_id)}
    second_factor.pop("ResponseMetadata", None)
    _user_pools.update_user_pool(**changes)
    try:
        _user_pools.set_user_pool_mfa_config(UserPoolId=user_pool_id, **second_factor)
    except Exception as error:
        raise SecondFactorLostError(
            f"user pool {user_pool_id} is without its second factor; this switches it on again: "
            f"aws cognito-idp set-user-pool-mfa-config --user-pool-id {user_pool_id} "
            f"--mfa-configuration {second_factor['MfaConfiguration']} --software-token-mfa-configuration Enabled=true"
        ) from error


def _put_groups(user_pool_id: str, properties: Mapping[str, Any], before: set[str]) -> None:
    """Make the groups or take them over; one of ours that is no longer wanted gets the role of users without a group.

    Its own role goes with its stack, and a group with a role that is gone leaves its users without credentials. A
    group cannot be without a role once it had one, and deleting it would forget its members.
    """
    wanted = {group["Name"]: group["RoleArn"] for group in properties["Groups"]}
    pages = _user_pools.get_paginator("list_groups").paginate(UserPoolId=user_pool_id)
    there = {group["GroupName"]: group for page in pages for group in page["Groups"]}
    for precedence, (name, role_arn) in enumerate(wanted.items(), start=1):
        role = {"UserPoolId": user_pool_id, "GroupName": name, "RoleArn": role_arn, "Precedence": precedence}
        if name in there:
            _user_pools.update_group(**role)
        else:
            _user_pools.create_group(**role, Description=_MADE_HERE)
    for name, group in there.items():
        ours = name in before or group.get("Description") == _MADE_HERE
        if ours and name not in wanted and group.get("RoleArn") != properties["AuthRoleArn"]:
            _user_pools.update_group(
                UserPoolId=user_pool_id,
                GroupName=name,
                RoleArn=properties["AuthRoleArn"],
                Precedence=_AFTER_ALL_OTHERS,
            )
