"""What an adopted pool was like before this stack changed it, kept until it has been put back.

An SSM parameter holds it, because a function that is killed halfway forgets everything else. The parameter is created
by the first change that must be undone and deleted with the last. It is no resource of the stack: CloudFormation sends
no Delete event for a custom resource that it failed to create, and would delete the parameter when it rolls back. The
next deployment of the same stack finds it.
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
        """The parameters of SetUserPoolMfaConfig, while an update is under way that can switch MFA off."""
        self.groups: dict[str, dict[str, Any]] = dict(self._stored.get("groups", {}))
        """The ``RoleArn`` and ``Precedence`` of each group that was taken over, as far as it had any."""

    def save(self) -> None:
        """Store what is set here, or delete the parameter if that is nothing.

        Raises:
            TooLongToKeepError: it is longer than a parameter.
            botocore.exceptions.ClientError: SSM refuses.
        """
        wanted = {name: value for name, value in (("mfa", self.mfa), ("groups", self.groups)) if value}
        if wanted == self._stored:
            return
        if wanted:
            text = json.dumps(wanted, separators=(",", ":"), sort_keys=True)
            if len(text.encode()) > _LONGEST:
                raise TooLongToKeepError(
                    f"what the pool has to get back is {len(text.encode())} bytes long, and the parameter {self._name} "
                    f"holds {_LONGEST}: name fewer groups in adopt.replaceGroupRoles, or use attachment self-attach"
                )
            self._ssm.put_parameter(
                Name=self._name,
                Description="What Amplify PubSub has to put back in a user pool; deleted with the last of it",
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
