"""The switch of the whole deployment: whether anything may attach the IoT policy.

A Systems Manager parameter: ``true`` while attachment is paused, else ``false``. `pubsub detach --all` sets it before
it detaches any identity; `pubsub sweep --resume` resets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attachment.errors import AttachmentPausedError
from attachment.parameters import KeptParameters

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

KEEP_SECONDS = 30.0
"""For how long an execution environment goes by what it has read; turned off so long ago, nothing attaches any more."""

_PAUSED, _NOT_PAUSED = "true", "false"


class AttachingSwitch:
    """The switch, read at most once in 30 seconds per execution environment.

    Args:
        name: the parameter's.
        parameters: what reads it together with others; without, it is read alone.
    """

    def __init__(self, name: str, parameters: KeptParameters | None = None) -> None:
        self._name = name
        self._parameters = parameters or KeptParameters(name, keep_seconds=KEEP_SECONDS)

    def check(self, ssm: SSMClient) -> None:
        """Check that attaching is on.

        Raises:
            AttachmentPausedError: nothing may be attached.
            MissingParameterError: there is no switch.
            botocore.exceptions.ClientError: the switch cannot be read, and never was.
        """
        if self._parameters.read(ssm)[self._name] != _NOT_PAUSED:
            raise AttachmentPausedError

    def turn_off(self, ssm: SSMClient) -> None:
        """Let nothing attach, from :data:`KEEP_SECONDS` on at the latest."""
        ssm.put_parameter(Name=self._name, Value=_PAUSED, Overwrite=True)
        self._parameters.forget()

    def turn_on(self, ssm: SSMClient) -> None:
        """Let everything attach again, as a new deployment does."""
        ssm.put_parameter(Name=self._name, Value=_NOT_PAUSED, Overwrite=True)
        self._parameters.forget()
