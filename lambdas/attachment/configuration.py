"""What only exists once the pools do: read from a Systems Manager parameter, because the functions are made first.

The user pool names its trigger functions, so their environment cannot name the user pool's app clients or the identity
pool without a circle in the template. Who can write this parameter can have tokens issued for any user: see
docs/security.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attachment.parameters import KeptParameters

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

# As long as the trigger keeps it: an update that replaces the internal client reaches both sides of the proof together.
_KEEP_SECONDS = 30.0


@dataclass(frozen=True)
class Configuration:
    """The pools the functions work for."""

    user_pool_provider: str
    """The provider name of the user pool's logins: ``cognito-idp.<region>.<suffix>/<user pool id>``."""
    internal_client_id: str
    """The app client of the internal sign-in; no other may ever be given tokens by the challenge."""
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
    """The configuration, read at most once in 30 seconds per execution environment.

    Args:
        name: the parameter's.
        parameters: what reads it together with others, as often as they need it; without, it is read alone.
    """

    def __init__(self, name: str, parameters: KeptParameters | None = None) -> None:
        self._name = name
        self._parameters = parameters or KeptParameters(name, keep_seconds=_KEEP_SECONDS)

    def read(self, ssm: SSMClient) -> Configuration:
        """Return the configuration.

        Raises:
            botocore.exceptions.ClientError: the parameter cannot be read, and never was.
            MissingParameterError: there is none.
            KeyError: the parameter lacks a member.
            ValueError: the parameter is not JSON.
        """
        return Configuration.from_json(self._parameters.read(ssm)[self._name])
