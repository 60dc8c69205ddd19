"""The Systems Manager parameters that the functions read at run time: the configuration and the pause flag.

The configuration is not in the functions' environment, because that would be a circular dependency: the user pool names
its trigger functions, and app clients and identity pool need the user pool. A principal that can change the
configuration can sign in as any user: see docs/explanation/security.md. Does not import the AWS SDK.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attachment.errors import AttachmentPausedError

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

CACHE_SECONDS = 30.0
"""How long an execution environment uses a value before it reads it again."""
MAX_PAUSE_FLAG_AGE_SECONDS = 60.0
"""The maximum age of the pause flag if it cannot be read again."""
_RETRY_SECONDS = 5.0


class MissingParameterError(Exception):
    """A parameter of the deployment does not exist: it was deleted, or the stack is being destroyed."""


class StaleParametersError(Exception):
    """The parameters were last read too long ago, and could not be read again."""


@dataclass(frozen=True)
class _Values:
    by_name: Mapping[str, str]
    read_at: float
    """On the monotonic clock."""


class CachedParameters:
    """Parameters that are read together, in one call, at most once in 30 seconds per execution environment.

    If a read fails or hangs, the last values stay in use, and the next read is 30 seconds later; five seconds if the
    values are too old. Otherwise every sign-in would wait. An account has 40 reads per second:
    https://docs.aws.amazon.com/general/latest/gr/ssm.html

    Args:
        names: up to ten names.
    """

    def __init__(self, *names: str) -> None:
        self._names = names
        self._values: _Values | None = None
        self._next_read_at = float("-inf")

    def read(self, ssm: SSMClient, max_age: float = math.inf) -> Mapping[str, str]:
        """Return the values by name.

        Args:
            ssm: the client.
            max_age: how old the values may be, in seconds.

        Raises:
            Exception: the SDK's error, if there are no values of this age.
            StaleParametersError: the last read failed, and its values are too old by now.
            MissingParameterError: a parameter does not exist.
        """
        known, now = self._values, time.monotonic()
        is_usable = known is not None and now - known.read_at <= max_age
        if known is None or now > self._next_read_at:
            # Set before the call, because work with a deadline might never return from it.
            self._next_read_at = now + (CACHE_SECONDS if is_usable else _RETRY_SECONDS)
            try:
                response = ssm.get_parameters(Names=list(self._names))
                by_name = {each["Name"]: each["Value"] for each in response["Parameters"]}
            except Exception:
                if known is None or not is_usable:
                    raise
                return known.by_name
            if missing := [name for name in self._names if name not in by_name]:
                self._values = None
                raise MissingParameterError(", ".join(missing))
            self._values = known = _Values(by_name, now)
            self._next_read_at = now + CACHE_SECONDS
        elif not is_usable:
            raise StaleParametersError
        return known.by_name

    def invalidate(self) -> None:
        """Read the parameters again at the next use, because one was written."""
        self._values = None


@dataclass(frozen=True)
class Configuration:
    """The pools of the deployment."""

    user_pool_provider: str
    """The user pool's name in logins of the identity pool: ``cognito-idp.<region>.<suffix>/<user pool id>``."""
    internal_client_id: str
    """The app client of the internal sign-in, the only one for which the challenge function issues tokens."""
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
    """The parameter that pauses attachment in the whole deployment: ``true`` or ``false``.

    `pubsub detach --all` sets it before it detaches identities, so that no function attaches the policy again.
    `pubsub sweep --resume` resets it.

    Args:
        name: the parameter's name.
        parameters: a cache that reads other parameters too; by default the flag has its own.
    """

    def __init__(self, name: str, parameters: CachedParameters | None = None) -> None:
        self._name = name
        self._parameters = parameters or CachedParameters(name)

    def check(self, ssm: SSMClient) -> None:
        """Check that attachment is not paused.

        Raises:
            AttachmentPausedError: it is paused, or the value is not ``false``.
            Exception: the flag is unknown; see :meth:`CachedParameters.read`.
        """
        if self._parameters.read(ssm, MAX_PAUSE_FLAG_AGE_SECONDS)[self._name] != "false":
            raise AttachmentPausedError

    def pause(self, ssm: SSMClient) -> None:
        """Pause attachment; every function notices within :data:`MAX_PAUSE_FLAG_AGE_SECONDS`."""
        self._write(ssm, "true")

    def resume(self, ssm: SSMClient) -> None:
        """Resume attachment."""
        self._write(ssm, "false")

    def _write(self, ssm: SSMClient, value: str) -> None:
        ssm.put_parameter(Name=self._name, Value=value, Overwrite=True)
        self._parameters.invalidate()
