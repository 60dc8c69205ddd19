"""Systems Manager parameters that a function reads while it runs, and not in its environment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_boto3_ssm import SSMClient

_TRY_AGAIN_SECONDS = 30.0


class MissingParameterError(Exception):
    """A parameter of the deployment is not there: somebody has deleted it, or the stack is being destroyed."""


class KeptParameters:
    """Parameters that are read together, in one call, and kept for a while by each execution environment.

    What was read stays in use when it cannot be read again: the account's 40 reads a second are shared with others
    (https://docs.aws.amazon.com/general/latest/gr/ssm.html). After a read that fails, or never ends, the next one is
    made 30 seconds later.

    Args:
        names: of the parameters, ten at most.
        keep_seconds: for how long what was read is used before it is read again.
    """

    def __init__(self, *names: str, keep_seconds: float) -> None:
        self._names = names
        self._keep_seconds = keep_seconds
        self._read_again_at = float("-inf")
        self._values: Mapping[str, str] | None = None

    def read(self, ssm: SSMClient) -> Mapping[str, str]:
        """Return the values by name.

        Raises:
            Exception: they cannot be read, and never were; whatever the SDK raised.
            MissingParameterError: one of them is not there.
        """
        known, now = self._values, time.monotonic()
        if known is not None and now <= self._read_again_at:
            return known
        # Noted before the call: work with a deadline may never come back from it.
        self._read_again_at = now + _TRY_AGAIN_SECONDS
        try:
            answer = ssm.get_parameters(Names=list(self._names))
            values = {each["Name"]: each["Value"] for each in answer["Parameters"]}
        except Exception:
            if known is None:
                raise
            return known
        if missing := [name for name in self._names if name not in values]:
            self._values = None
            raise MissingParameterError(", ".join(missing))
        self._values, self._read_again_at = values, now + self._keep_seconds
        return values

    def forget(self) -> None:
        """Read them anew the next time, for somebody has written one."""
        self._values = None
