"""The groups of a user pool: creates and changes them, and restores groups that existed before the stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from original_settings import OriginalSettings
from pool_update import SettingsMismatchError

_CREATED_HERE = "Its users get an IAM role of their own from Amplify PubSub"
"""The description of groups that this toolkit created. It identifies them after their stack was deleted."""
_LAST_PRECEDENCE = 2**31 - 1
"""For a group without its own role, because an update cannot remove a precedence."""


class UserPoolGroups:
    """The groups of one user pool, as they are and as the settings want them.

    Args:
        client: the boto3 client of Cognito's user pools.
        properties: the properties of the custom resource; see ``user_pool_triggers.py``.
        original: stores the original settings of changed groups.
        before: the property ``Groups`` before this update.
    """

    def __init__(
        self,
        client: Any,
        properties: Mapping[str, Any],
        original: OriginalSettings,
        before: Sequence[Mapping[str, str]] = (),
    ) -> None:
        self._client, self._original = client, original
        self._user_pool_id = properties["UserPoolId"]
        self._auth_role_arn = properties["AuthRoleArn"]
        self._wanted = {each["Name"]: each["RoleArn"] for each in properties["Groups"]}
        self._before = {each["Name"]: each["RoleArn"] for each in before}
        self._is_own_pool = "ReplaceGroupRoles" not in properties
        self._replaceable: Mapping[str, str] = properties.get("ReplaceGroupRoles", {})
        pages = client.get_paginator("list_groups").paginate(UserPoolId=self._user_pool_id)
        self._groups = {group["GroupName"]: group for page in pages for group in page["Groups"]}

    def check(self) -> None:
        """Check that the settings allow every change of an existing group.

        ``adopt.replaceGroupRoles`` must keep the former role of a changed group, because the permission to restore it
        depends on that.

        Raises:
            SettingsMismatchError: the settings do not allow a change.
        """
        problems = []
        for name, group in self._groups.items():
            if name not in self._wanted:
                continue
            if (had := self._original.groups.get(name)) is not None:
                former = had.get("RoleArn")
                if former and self._replaceable.get(name) != former:
                    problems.append(
                        f"The group {name} gets its role back when you remove it from the setting groups. Until then "
                        f'keep "{former}" in adopt.replaceGroupRoles.{name} (docs/how-to/adopt.md#groups).'
                    )
                continue
            role_arn = group.get("RoleArn", "")
            if not self._is_ours(group) and self._replaceable.get(name) != role_arn:
                has = f"with the role {role_arn}" if role_arn else "without a role"
                to = f'"{role_arn}"' if role_arn else "null; note that AWS cannot remove the role from the group later"
                problems.append(
                    f"The group {name} existed before this stack, {has}. Remove it from the setting groups, or allow "
                    f"another role: set adopt.replaceGroupRoles.{name} to {to} (docs/how-to/adopt.md#groups)."
                )
        if problems:
            raise SettingsMismatchError(f"User pool {self._user_pool_id}: {' '.join(problems)}")

    def store_originals(self) -> None:
        """Store the roles and precedences of existing groups before the first change."""
        for name, role_arn in self._wanted.items():
            group = self._groups.get(name)
            if group is not None and (name in self._original.groups or not self._is_ours(group)):
                had = {key: group[key] for key in ("RoleArn", "Precedence") if key in group}
                self._original.groups[name] = self._original.groups.get(name, had) | {"ReplacedBy": role_arn}
        self._original.save()

    def update(self) -> None:
        """Create or change the groups of the settings, and release groups that the settings no longer name.

        A released group that this toolkit created gets the role of users without a group: its own role is deleted with
        the stack, and users of a group with a deleted role get no credentials. AWS cannot remove the role from a group,
        and a deleted group would lose its members. An existing group gets its role and precedence back.
        """
        for precedence, (name, role_arn) in enumerate(self._wanted.items(), start=1):
            if name in self._groups:
                self._change(name, RoleArn=role_arn, Precedence=precedence)
            else:
                self._client.create_group(
                    UserPoolId=self._user_pool_id,
                    GroupName=name,
                    RoleArn=role_arn,
                    Precedence=precedence,
                    Description=_CREATED_HERE,
                )
        released = self._original.groups.keys() - self._wanted.keys()
        for name in released:
            self._restore(name, instead=self._auth_role_arn)
        for name, group in self._groups.items():
            role_arn = group.get("RoleArn")
            # A group that never got the role is not ours: this is the rollback of an update that failed earlier.
            has_our_role = name in self._before and name not in released and role_arn == self._before[name]
            is_ours = group.get("Description") == _CREATED_HERE or has_our_role
            if is_ours and name not in self._wanted and role_arn != self._auth_role_arn:
                self._change(name, RoleArn=self._auth_role_arn, Precedence=_LAST_PRECEDENCE)

    def restore(self) -> None:
        """Restore every changed group. A group that had no role keeps ours, which is deleted with the stack."""
        for name in [*self._original.groups]:
            self._restore(name)

    def _restore(self, name: str, instead: str | None = None) -> None:
        """Restore a group's role and precedence, unless something else has changed its role since.

        Args:
            name: the group.
            instead: the role for a group that had none.
        """
        had = self._original.groups[name]
        if self._groups.get(name, {}).get("RoleArn") == had["ReplacedBy"]:
            role_arn = had.get("RoleArn", instead)
            role = {"RoleArn": role_arn} if role_arn else {}
            self._change(name, Precedence=had.get("Precedence", _LAST_PRECEDENCE), **role)
        del self._original.groups[name]
        self._original.save()

    def _change(self, name: str, **settings: Any) -> None:
        self._client.update_group(UserPoolId=self._user_pool_id, GroupName=name, **settings)

    def _is_ours(self, group: Mapping[str, Any]) -> bool:
        """Return whether this toolkit created the group or set its role; every group of the stack's own pool is."""
        roles = {self._auth_role_arn, *self._before.values(), *self._wanted.values()}
        created = self._is_own_pool or group.get("Description") == _CREATED_HERE
        return created or group.get("RoleArn") in roles or group["GroupName"] in self._before
