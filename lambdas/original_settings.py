"""The original settings of an adopted user pool, stored until they are restored.

They are in an SSM parameter, so that they survive an interrupted function. The first change that must be undone later
creates the parameter, and the last restoration deletes it. The parameter is not a resource of the stack, because a
rollback would delete it before the settings are restored. The next deployment of the same stack finds it.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.client import BaseClient

_MAX_BYTES = 4096
"""https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"""


class TooLongToKeepError(Exception):
    """The original settings do not fit into a parameter. Nothing was changed."""


class OriginalSettings:
    """The original settings of one user pool: its MFA configuration, and the roles and precedences of groups.

    Args:
        ssm: the boto3 client of SSM.
        name: the parameter's name.
    """

    def __init__(self, ssm: BaseClient, name: str) -> None:
        self._ssm: Any = ssm
        self._name = name
        self._stored = self._read()
        self.mfa: dict[str, Any] | None = self._stored.get("mfa")
        """The parameters of SetUserPoolMfaConfig; stored only during an update that can switch MFA off."""
        self.groups: dict[str, dict[str, Any]] = dict(self._stored.get("groups", {}))
        """By name, the former ``RoleArn`` and ``Precedence`` of changed groups, and ``ReplacedBy``, the new role."""

    def save(self) -> None:
        """Store both attributes, or delete the parameter if both are empty.

        Raises:
            TooLongToKeepError: they do not fit into a parameter.
        """
        wanted = {name: value for name, value in (("mfa", self.mfa), ("groups", self.groups)) if value}
        if wanted == self._stored:
            return
        if wanted:
            text = json.dumps(wanted, separators=(",", ":"), sort_keys=True)
            if len(text.encode()) > _MAX_BYTES:
                raise TooLongToKeepError(
                    f"the pool's original settings have {len(text.encode())} bytes, but the parameter {self._name} has "
                    f"only {_MAX_BYTES}: name fewer groups in adopt.replaceGroupRoles, or use attachment self-attach"
                )
            self._ssm.put_parameter(
                Name=self._name,
                Description="Original settings of a user pool that Amplify PubSub restores",
                Value=text,
                Type="String",
                Overwrite=True,
            )
        else:
            self._delete()
        self._stored = json.loads(json.dumps(wanted))

    def _read(self) -> dict[str, Any]:
        try:
            stored: dict[str, Any] = json.loads(self._ssm.get_parameter(Name=self._name)["Parameter"]["Value"])
        except self._ssm.exceptions.ParameterNotFound:
            return {}
        return stored

    def _delete(self) -> None:
        try:
            self._ssm.delete_parameter(Name=self._name)
        except self._ssm.exceptions.ParameterNotFound:
            return
