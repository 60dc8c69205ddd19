"""The original settings of an adopted pool, stored until they have been restored.

They are in an SSM parameter, so that they survive an interrupted function. The first change that must be undone creates
the parameter, and the last restoration deletes it. It is no resource of the stack, because a rollback would delete it
before the settings are restored. The next deployment of the same stack finds it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.client import BaseClient

_LONGEST = 4096
"""https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"""


class TooLongToKeepError(Exception):
    """The original settings do not fit into a parameter, so nothing was changed."""


class OriginalSettings:
    """The original settings of one pool: its MFA configuration, and its groups' roles and precedences.

    Args:
        ssm: the boto3 client.
        name: the parameter's name.
    """

    def __init__(self, ssm: BaseClient, name: str) -> None:
        self._ssm: Any = ssm
        self._name = name
        self._stored = self._read()
        self.mfa: dict[str, Any] | None = self._stored.get("mfa")
        """The parameters of SetUserPoolMfaConfig, during an update that can switch MFA off."""
        self.groups: dict[str, dict[str, Any]] = dict(self._stored.get("groups", {}))
        """The original ``RoleArn`` and ``Precedence`` of each changed group, if it had any."""

    def save(self) -> None:
        """Store the attributes, or delete the parameter if they are empty.

        Raises:
            TooLongToKeepError: they do not fit into a parameter.
            botocore.exceptions.ClientError: SSM refused.
        """
        wanted = {name: value for name, value in (("mfa", self.mfa), ("groups", self.groups)) if value}
        if wanted == self._stored:
            return
        if wanted:
            text = json.dumps(wanted, separators=(",", ":"), sort_keys=True)
            if len(text.encode()) > _LONGEST:
                raise TooLongToKeepError(
                    f"the pool's original settings have {len(text.encode())} bytes, and the parameter {self._name} can "
                    f"have {_LONGEST}: name fewer groups in adopt.replaceGroupRoles, or use attachment self-attach"
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
