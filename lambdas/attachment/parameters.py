"""The Systems Manager parameters that the functions read at run time: the configuration and the pause flag.

The user pool names its trigger functions, so their environment cannot name app clients or identity pool: the template
would have a circular dependency. Write access to the configuration is account-takeover power:
see docs/explanation/security.md.
Importing this module imports no SDK.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attachment.errors import AttachmentPausedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_boto3_ssm import SSMClient

CACHE_SECONDS = 30.0
"""How long an execution environment uses a value before it reads it again."""


class MissingParameterError(Exception):
    """A parameter of the deployment does not exist: it was deleted, or the stack is being destroyed."""


class CachedParameters:
    """Parameters that are read together, in one call, at most once in 30 seconds per execution environment.

    If they cannot be read again, the last values stay in use: the account's 40 reads a second are shared with others
    (https://docs.aws.amazon.com/general/latest/gr/ssm.html). A failed or hanging read is repeated 30 seconds later.

    Args:
        names: up to ten names.
    """

    def __init__(self, *names: str) -> None:
        self._names = names
        self._expires_at = float("-inf")
        self._values: Mapping[str, str] | None = None

    def read(self, ssm: SSMClient) -> Mapping[str, str]:
        """Return the values by name.

        Raises:
            Exception: the SDK's error, if no read has succeeded before.
            MissingParameterError: one of them does not exist.
        """
        known, now = self._values, time.monotonic()
        if known is not None and now <= self._expires_at:
            return known
        # Set before the call, because work with a deadline might never return from it.
        self._expires_at = now + CACHE_SECONDS
        try:
            response = ssm.get_parameters(Names=list(self._names))
            values = {each["Name"]: each["Value"] for each in response["Parameters"]}
        except Exception:
            if known is None:
                raise
            return known
        if missing := [name for name in self._names if name not in values]:
            self._values = None
            raise MissingParameterError(", ".join(missing))
        self._values, self._expires_at = values, now + CACHE_SECONDS
        return values

    def invalidate(self) -> None:
        """Read the parameters again at the next use, because one was written."""
        self._values = None


@dataclass(frozen=True)
class Configuration:
    """The pools of the deployment."""

    user_pool_provider: str
    """The provider name in the identity pool's logins: ``cognito-idp.<region>.<suffix>/<user pool id>``."""
    internal_client_id: str
    """The app client of the internal sign-in; the challenge issues tokens for no other."""
    identity_pool_id: str

    @classmethod
    def from_json(cls, text: str) -> Configuration:
        """Parse the parameter's value.

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


class PauseFlag:
    """Whether attachment is paused in the whole deployment: a parameter, ``true`` or ``false``.

    `pubsub detach --all` sets it before it detaches any identity, so that nothing attaches the policy again meanwhile.
    `pubsub sweep --resume` resets it.

    Args:
        name: the parameter's name.
        parameters: a cache that also reads other parameters; by default the flag is read on its own.
    """

    def __init__(self, name: str, parameters: CachedParameters | None = None) -> None:
        self._name = name
        self._parameters = parameters or CachedParameters(name)

    def check(self, ssm: SSMClient) -> None:
        """Check that attachment is not paused.

        Raises:
            AttachmentPausedError: it is paused, or the value is not ``false``.
            MissingParameterError: the parameter does not exist.
            botocore.exceptions.ClientError: the parameter cannot be read.
        """
        if self._parameters.read(ssm)[self._name] != "false":
            raise AttachmentPausedError

    def pause(self, ssm: SSMClient) -> None:
        """Pause attachment; every function notices within :data:`CACHE_SECONDS`."""
        self._write(ssm, "true")

    def resume(self, ssm: SSMClient) -> None:
        """Resume attachment."""
        self._write(ssm, "false")

    def _write(self, ssm: SSMClient, value: str) -> None:
        ssm.put_parameter(Name=self._name, Value=value, Overwrite=True)
        self._parameters.invalidate()
