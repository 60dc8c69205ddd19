"""Repeats calls that IAM denies, because new permissions take effect after some seconds.

CloudFormation invokes a custom resource as soon as its policy exists. IAM may still deny the first calls.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
https://github.com/aws/aws-cdk/issues/37675
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.client import BaseClient

Response = TypeVar("Response")

WAIT_SECONDS = 75.0
"""How long denied calls are repeated, from the start of an invocation."""
_PAUSE_SECONDS = 2.0

# The services' error codes for a denial by IAM. Cognito's NotAuthorizedException can also mean a wrong password, but
# these functions do not sign in.
_DENIED = {
    "AccessDenied",  # IAM, CloudFormation, S3, SQS
    "AccessDeniedException",  # Cognito, IoT, KMS, Lambda, SSM, Step Functions
    "AuthorizationError",  # SNS
    "AuthorizationErrorException",
    "ForbiddenException",  # IoT's data plane
    "NotAuthorized",
    "NotAuthorizedException",  # Cognito's identity pools
    "UnauthorizedException",  # IoT
    "UnauthorizedOperation",  # EC2
}


class PermissionWait:
    """Repeats denied calls in the first 75 seconds of an invocation.

    Args:
        clock: returns monotonic seconds.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._pause_until = clock()

    def begin(self) -> None:
        """Start the 75 seconds of an invocation."""
        self._pause_until = self._clock() + WAIT_SECONDS

    def watch(self, client: BaseClient) -> None:
        """Repeat the client's denied calls."""
        # The type stubs lack handlers that return a value.
        client.meta.events.register("needs-retry", self._needs_retry)  # type: ignore[arg-type]

    def _needs_retry(self, response: tuple[Any, dict[str, Any]] | None = None, **_: Any) -> int | None:
        """Repeat a denied call; leave other errors to botocore's own retries.

        Returns:
            Seconds that botocore waits before it repeats the call, in addition to our pause; None for no repetition.
        """
        code = response[1].get("Error", {}).get("Code") if response else None
        return 0 if code in _DENIED and self.pause() else None

    def pause(self) -> bool:
        """Wait two seconds; return False at once if the time is up."""
        if self._clock() + _PAUSE_SECONDS > self._pause_until:
            return False
        self._sleep(_PAUSE_SECONDS)
        return True


def waits_for_permissions(
    *clients: BaseClient, wait: PermissionWait | None = None
) -> Callable[[Callable[[Any, Any], Response]], Callable[[Any, Any], Response]]:
    """Return a decorator for a Lambda handler that repeats denied calls for :data:`WAIT_SECONDS`.

    Args:
        clients: every boto3 client that the handler uses.
        wait: a wait with another clock, or one that the handler uses too.
    """
    waiting = wait or PermissionWait()
    for client in clients:
        waiting.watch(client)

    def decorate(handler: Callable[[Any, Any], Response]) -> Callable[[Any, Any], Response]:
        @functools.wraps(handler)
        def invoke(event: Any, context: Any) -> Response:
            waiting.begin()
            return handler(event, context)

        return invoke

    return decorate
