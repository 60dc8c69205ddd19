"""What only exists once the pools do: read from a Systems Manager parameter, because the functions are made first.

The user pool names its trigger functions, so their environment cannot name the user pool's app clients or the identity
pool without a circle in the template. Who can write this parameter can have tokens issued for any user: see
docs/security.md.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

_KEEP_SECONDS = 300.0
_TRY_AGAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Configuration:
    """The pools the functions work for."""

    user_pool_provider: str
    """The provider name of the user pool's logins: ``cognito-idp.<region>.<suffix>/<user pool id>``."""
    internal_client_id: str
    """The app client of the nested sign-in; no other may ever be given tokens by the challenge."""
    identity_pool_id: str

    @classmethod
    def from_json(cls, text: str) -> Configuration:
        """Read the parameter's value.

        Raises:
            KeyError: a member is missing.
            ValueError: the value is not JSON.
        """
        values = json.loads(text)
        return cls(
            user_pool_provider=values["userPoolProvider"],
            internal_client_id=values["internalClientId"],
            identity_pool_id=values["identityPoolId"],
        )


class ConfigurationParameter:
    """The parameter, read at most once in five minutes per execution environment.

    What was read stays in use when it cannot be read again: the account's 40 reads a second are shared with others
    (https://docs.aws.amazon.com/general/latest/gr/ssm.html).
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._read_again_at = float("-inf")
        self._configuration: Configuration | None = None

    def read(self, ssm: SSMClient) -> Configuration:
        """Return the configuration.

        Raises:
            botocore.exceptions.ClientError: the parameter cannot be read, and never was.
            KeyError: the parameter lacks a member.
            ValueError: the parameter is not JSON.
        """
        if self._configuration is None or time.monotonic() > self._read_again_at:
            self._configuration = self._read(ssm, self._configuration)
        return self._configuration

    def _read(self, ssm: SSMClient, known: Configuration | None) -> Configuration:
        try:
            answer = ssm.get_parameter(Name=self._name)
        except ssm.exceptions.ClientError:
            if known is None:
                raise
            self._read_again_at = time.monotonic() + _TRY_AGAIN_SECONDS
            return known
        self._read_again_at = time.monotonic() + _KEEP_SECONDS
        return Configuration.from_json(answer["Parameter"]["Value"])
