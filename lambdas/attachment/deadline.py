"""A hard end to work that may hang: Cognito gives a trigger five seconds, and a late answer fails the sign-in.

https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator


class DeadlineExceededError(BaseException):
    """The time is used up. Not an ``Exception``: the SDK must not wrap it as an error of its own and go on."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Interrupt the block after ``seconds``, wherever it waits; main thread only, as Lambda runs handlers.

    Raises:
        DeadlineExceededError: the block did not end in time, or no time was left to begin with.
    """

    def interrupt(_signal: int, _frame: object) -> NoReturn:
        raise DeadlineExceededError

    if seconds <= 0:
        raise DeadlineExceededError
    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
