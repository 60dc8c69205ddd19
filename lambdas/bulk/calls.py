"""Calls of bulk work: each in its turn, and made again while what goes wrong passes. Importing this imports the SDK."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from attachment.passing import is_throttled, passes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attachment.pace import Pace

THREADS = 16
"""AWS IoT answers in some tens of milliseconds, and its quotas can be raised far above what one thread could use."""

_MOST_FAILURES = 5
# Others use the same quota, so that its own turn can come late.
_MOST_THROTTLED = 60
# AWS IoT's refusals of one identity; another one that lasts would meet every identity alike.
# https://docs.aws.amazon.com/iot/latest/apireference/API_AttachPolicy.html
_OF_ONE_IDENTITY = {"LimitExceededException", "InvalidRequestException"}


@contextmanager
def worker_threads() -> Iterator[ThreadPoolExecutor]:
    """Provide the threads; work that has not begun when the block ends is not begun any more."""
    with ThreadPoolExecutor(THREADS) as threads:
        try:
            yield threads
        finally:
            threads.shutdown(cancel_futures=True)


@contextmanager
def paced(pace: Pace) -> Iterator[None]:
    """Wait for the turn of the call in the block, and slow down when it is throttled."""
    pace.wait()
    try:
        yield
    except ClientError as error:
        if is_throttled(error):
            pace.throttled()
        raise


def settle(work: Callable[[], str]) -> str:
    """Do the work on one identity, repeat-safe, again and again while it fails in a way that passes.

    Returns:
        What the work returns, or AWS IoT's error code if it refuses this identity.

    Raises:
        botocore.exceptions.BotoCoreError: no answer, several times over.
        botocore.exceptions.ClientError: AWS fails or throttles several times over, or refuses for a reason that is not
            this identity's.
    """
    failures = throttled = 0
    while True:
        try:
            return work()
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and (code := error.response["Error"]["Code"]) in _OF_ONE_IDENTITY:
                return code
            if is_throttled(error):
                throttled += 1
            else:
                failures += 1
            if not passes(error) or failures == _MOST_FAILURES or throttled == _MOST_THROTTLED:
                raise
            time.sleep(random.uniform(0, 2**failures))  # noqa: S311 - spreads load, keeps no secret
