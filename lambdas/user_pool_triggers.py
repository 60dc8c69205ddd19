"""The custom resource that sets the triggers and groups of a user pool.

It removes the triggers before their functions are deleted. A user pool that outlives its stack would otherwise invoke
deleted functions, and every sign-in would fail. In an adopted pool, which this stack does not define, it also adds the
marker attribute. user_pool_groups.py has the rules for groups.

Permanent changes come last. AWS can refuse UpdateUserPool for reasons that cannot be checked before, such as a service
control policy or a key policy. So the triggers are set first, because that can be undone. The custom attribute, which
cannot be removed, is added after that. Until then the trigger attaches the policy without setting markers.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from custom_resource import custom_resource
from iam_propagation import waits_for_permissions
from original_settings import OriginalSettings
from pool_update import SettingsMismatchError, SettingsWouldBeLostError, keep_unknown_members, update_parameters
from user_pool_groups import UserPoolGroups

# At most 70 s per call with all attempts. The function has five minutes, and an update that can switch MFA off needs
# three calls.
_LIMITS = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
_user_pools = boto3.client("cognito-idp", config=_LIMITS)
_ssm = boto3.client("ssm", config=_LIMITS)
for _operation in ("DescribeUserPool", "GetUserPoolMfaConfig"):
    keep_unknown_members(_user_pools, _operation)


class MfaLostError(Exception):
    """The pool's MFA was switched off and could not be switched on again. The message contains the command for that."""


@waits_for_permissions(_user_pools, _ssm)
def on_event(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Set triggers and groups, or remove our triggers. Other settings of the pool do not change.

    Properties:
        UserPoolId: the pool.
        OutlivesStack: ``true`` if the pool stays when the stack is deleted, otherwise ``false``.
        OriginalSettingsParameter: the name of the SSM parameter of :class:`OriginalSettings`.
        MarkerAttribute, MarkerLength: the custom attribute that the pool must have; omitted without triggers.
        SmsRoleArn, CustomSenderKeyArn: only for an adopted pool: the role that this function can pass, and the key for
            which it can create grants; empty if there is none.
        Triggers: function ARNs by trigger. Other triggers of an earlier deployment are removed.
        ChainedTriggers: triggers that do not change, because their own function calls ours.
        Groups: a list of ``{"Name", "RoleArn"}`` in the order of precedence.
        ReplaceGroupRoles: only for an adopted pool: existing groups that may get another role, with their current role;
            empty for a group without a role.
        AuthRoleArn: the role of users without a group.

    Raises:
        SettingsMismatchError: the pool or one of its groups does not match the settings. Nothing was changed.
        SettingsWouldBeLostError: an update would reset settings of the pool. Nothing was changed.
        TooLongToKeepError: the original settings do not fit into the parameter. Nothing was changed.
        MfaLostError: the update switched MFA off.
    """
    properties = event["ResourceProperties"]
    user_pool_id, triggers = properties["UserPoolId"], properties["Triggers"]
    original = OriginalSettings(_ssm, properties["OriginalSettingsParameter"])
    if event["RequestType"] == "Delete":
        if properties["OutlivesStack"] == "true":
            _detach_pool(properties, original)
        else:
            _forget(original)
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    before = event.get("OldResourceProperties", {"Triggers": {}, "Groups": []})
    _restore_mfa(user_pool_id, original)
    pool, groups = _describe(user_pool_id), UserPoolGroups(_user_pools, properties, original, before["Groups"])
    wanted = _without(before["Triggers"], _triggers_of(pool)) | triggers
    # A new stack must be able to update an adopted pool, at the latest when the stack is deleted.
    adopts = event["RequestType"] == "Create" and "SmsRoleArn" in properties
    _check(pool, properties, before, changes_pool=wanted != _triggers_of(pool) or adopts)
    groups.check()
    groups.store_originals()
    try:
        _set_triggers(pool, wanted, original)
        groups.update()
        _put_marker_attribute(pool, properties)
    except Exception:
        # There is no Delete request after a failed Create, so remove the triggers now.
        if event["RequestType"] == "Create":
            _detach_pool(properties, original)
        raise
    return {"PhysicalResourceId": f"{user_pool_id}/triggers"}


handler = custom_resource(on_event)


def _describe(user_pool_id: str) -> dict[str, Any]:
    return dict(_user_pools.describe_user_pool(UserPoolId=user_pool_id)["UserPool"])


def _check(
    pool: Mapping[str, Any], properties: Mapping[str, Any], before: Mapping[str, Any], *, changes_pool: bool
) -> None:
    """Check, before any change, that the pool matches the settings and can be updated.

    A run that does not change the pool skips the checks for an update, because it can be the rollback of an update that
    failed these checks.
    """
    problems = [*_occupied_triggers(pool, properties, before)]
    if changes_pool:
        try:
            update_parameters(_user_pools, "UpdateUserPool", pool)
        except SettingsWouldBeLostError as error:
            problems.append(f"{error}.")
        problems.extend(f"{why} {fix}" for why, fix in _missing_permissions(pool, properties))
    if problems:
        raise SettingsMismatchError(f"User pool {pool['Id']}: {' '.join(problems)}")


def _occupied_triggers(
    pool: Mapping[str, Any], properties: Mapping[str, Any], before: Mapping[str, Any]
) -> Iterator[str]:
    configured = _triggers_of(pool)
    for trigger, function_arn in properties["Triggers"].items():
        current = configured.get(trigger, function_arn)
        if current not in (function_arn, *before["Triggers"].values()):
            yield (
                f"It has {current} on its trigger {trigger}. Remove it, or let it call ours and name the trigger "
                "in the setting adopt.chainedTriggers: docs/how-to/adopt.md#existing-triggers."
            )
    for trigger in properties.get("ChainedTriggers", []):
        if configured.get(trigger) in (None, *before["Triggers"].values()):
            yield (
                f"It has no function of its own on its trigger {trigger}, which adopt.chainedTriggers names. "
                "Remove the trigger from that setting, so that ours is set."
            )


def _missing_permissions(pool: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield why an update of the pool cannot succeed, and the setting that is needed.

    UpdateUserPool passes the pool's SMS role to Cognito and creates a grant for the key of its custom senders, even if
    it changes neither.
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-sms-settings.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sms-sender.html
    https://github.com/serverless/serverless/issues/6593
    """
    needed = {
        "smsRoleArn": ("SmsRoleArn", pool.get("SmsConfiguration", {}).get("SnsCallerArn"), "sends SMS with the role"),
        "customSenderKeyArn": (
            "CustomSenderKeyArn",
            _triggers_of(pool).get("KMSKeyID"),
            "has custom senders with the key",
        ),
    }
    for setting, (name, arn, what) in needed.items():
        if arn and arn != properties.get(name):
            yield (
                f"It {what} {arn}, so changing its triggers needs a permission for that.",
                f"Set adopt.{setting} to this ARN and deploy again: docs/how-to/adopt.md#sms-and-custom-senders.",
            )


def _put_marker_attribute(pool: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    """Add the attribute if the pool does not have it; the stack's own pool has it."""
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


def _detach_pool(properties: Mapping[str, Any], original: OriginalSettings) -> None:
    """Remove our triggers, and restore the original settings of the pool and its groups."""
    user_pool_id = properties["UserPoolId"]
    try:
        _restore_mfa(user_pool_id, original)
        pool = _describe(user_pool_id)
    except _user_pools.exceptions.ResourceNotFoundException:
        _forget(original)
        return
    triggers = _without(properties["Triggers"], _triggers_of(pool))
    # The pool may have got a role, a key or a new setting since. A changed setting of the stack does not help, because
    # CloudFormation does not update a stack whose deletion has failed.
    ours = " and ".join(sorted(_triggers_of(pool).keys() - triggers.keys()))
    missing = [*_missing_permissions(pool, properties)] if "SmsRoleArn" in properties else []
    if triggers != _triggers_of(pool) and missing:
        raise SettingsMismatchError(
            f"User pool {pool['Id']}: {' '.join(why for why, _ in missing)} Remove {ours} from the pool with "
            "credentials that have this permission (Cognito console, Extensions): "
            "docs/how-to/adopt.md#sms-and-custom-senders. Then delete the stack again."
        )
    instead = f"Remove {ours} from the pool in the Cognito console (Extensions). Then delete the stack again"
    _set_triggers(pool, triggers, original, instead)
    if original.groups:
        UserPoolGroups(_user_pools, properties, original).restore()


def _forget(original: OriginalSettings) -> None:
    """Delete the original settings, because the pool is or will be deleted."""
    original.mfa = None
    original.groups.clear()
    original.save()


def _without(ours: Mapping[str, str], configured: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configured triggers except ours."""
    return {trigger: arn for trigger, arn in configured.items() if arn != ours.get(trigger)}


def _triggers_of(pool: Mapping[str, Any]) -> dict[str, Any]:
    return dict(pool.get("LambdaConfig", {}))


def _set_triggers(
    pool: Mapping[str, Any], triggers: Mapping[str, Any], original: OriginalSettings, instead: str | None = None
) -> None:
    """Set the triggers of the pool, and change nothing else.

    Args:
        pool: the pool as described.
        triggers: all triggers that it must have.
        original: stores settings that the update can reset.
        instead: what the user can do if the update is not possible.
    """
    if triggers == _triggers_of(pool):
        return
    changes = update_parameters(_user_pools, "UpdateUserPool", pool, instead=instead) | {
        "UserPoolId": pool["Id"],
        "LambdaConfig": triggers,
    }
    if "TemporaryPasswordValidityDays" in changes.get("Policies", {}).get("PasswordPolicy", {}):
        # DescribeUserPool also returns its older name, and Cognito refuses an update with both.
        users_by_admin = {**changes.get("AdminCreateUserConfig", {})}
        users_by_admin.pop("UnusedAccountValidityDays", None)
        changes["AdminCreateUserConfig"] = users_by_admin
    try:
        _user_pools.update_user_pool(**changes)
    except _user_pools.exceptions.InvalidParameterException as error:
        if changes.pop("MfaConfiguration", "OFF") == "OFF" or "MFA" not in str(error):
            raise
        _update_without_mfa(changes, original, instead)


def _update_without_mfa(changes: Mapping[str, Any], original: OriginalSettings, instead: str | None) -> None:
    """Update a pool without MFA settings: UpdateUserPool rejects MFA without a configuration of SMS.

    AWS documents that an omitted setting gets its default, which is OFF. Measurements found that MFA stays
    (https://github.com/go-to-k/cdkd/pull/1965). So store the MFA configuration first, and restore it afterwards only if
    it has changed. https://github.com/aws/aws-cli/issues/3876
    """
    user_pool_id = changes["UserPoolId"]
    described = _user_pools.get_user_pool_mfa_config(UserPoolId=user_pool_id)
    original.mfa = update_parameters(_user_pools, "SetUserPoolMfaConfig", described, instead=instead)
    original.save()
    try:
        _user_pools.update_user_pool(**changes)
    finally:
        _restore_mfa(user_pool_id, original)


def _restore_mfa(user_pool_id: str, original: OriginalSettings) -> None:
    """Switch MFA on again if this update, or an interrupted one, has switched it off."""
    if original.mfa is None:
        return
    if _user_pools.get_user_pool_mfa_config(UserPoolId=user_pool_id).get("MfaConfiguration", "OFF") == "OFF":
        try:
            _user_pools.set_user_pool_mfa_config(UserPoolId=user_pool_id, **original.mfa)
        except Exception as error:
            options = " ".join(
                f"--{xform_name(name, '-')} {shlex.quote(each if isinstance(each, str) else json.dumps(each))}"
                for name, each in original.mfa.items()
            )
            raise MfaLostError(
                f"user pool {user_pool_id} has no MFA. The next deployment or deletion of this stack switches it on "
                f"again. To do so now: aws cognito-idp set-user-pool-mfa-config --user-pool-id {user_pool_id} "
                f"{options}"
            ) from error
    original.mfa = None
    original.save()
