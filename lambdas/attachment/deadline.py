"""Runs work with a deadline. The main thread waits for the work, and abandons it when the time is over.

Cognito gives a trigger five seconds, and a late response fails the sign-in. A signal cannot interrupt work that hangs
in name resolution, in a lock or in an import. So the work runs in a daemon thread. Abandoned work must not affect the
next run:

- The next run creates new clients, with their own connection pools and locks.
- Abandoned work makes no more AWS calls. Its session (``clients.py``) stops it before the next request, and drops a
  late response. Only the main thread logs.
- Lambda freezes the thread between invocations. A request that was signed and waited for a connection may still be
  sent during a later invocation. AWS accepts its signature for five minutes, and every request is idempotent.

An abandoned import continues. The next run waits for it within its own deadline.
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_Clients = TypeVar("_Clients")
_Result = TypeVar("_Result")


class DeadlineExceededError(Exception):
    """The work did not end before the deadline, or there was no time left to start it."""


class AbandonedError(Exception):
    """Stops abandoned work from inside."""


class DeadlineRunner(Generic[_Clients]):
    """Runs work with a deadline, and keeps the AWS clients between runs.

    Args:
        make_clients: creates the clients, in the thread of the work. Its argument is an event that is set when the
            work is abandoned.
    """

    def __init__(self, make_clients: Callable[[threading.Event], _Clients]) -> None:
        self._make_clients = make_clients
        self._clients: _Clients | None = None
        self._abandoned = threading.Event()

    def run(self, work: Callable[[_Clients], _Result], seconds: float) -> _Result:
        """Return the result of the work.

        Args:
            work: called with the clients.
            seconds: the time for the work, including the creation of the clients.

        Raises:
            DeadlineExceededError: the work did not end in time.
            Exception: what the work, or the creation of the clients, raised.
        """
        if seconds <= 0:
            raise DeadlineExceededError
        abandoned, clients = self._abandoned, self._clients
        results: list[_Result] = []
        errors: list[BaseException] = []
        ended = threading.Event()

        def execute() -> None:
            nonlocal clients
            try:
                if clients is None:
                    clients = self._make_clients(abandoned)
                results.append(work(clients))
            except BaseException as error:  # noqa: BLE001 - raised in the main thread
                errors.append(error)
            finally:
                ended.set()

        threading.Thread(target=execute, name="work", daemon=True).start()
        if not ended.wait(seconds):
            abandoned.set()
            self._clients, self._abandoned = None, threading.Event()
            raise DeadlineExceededError
        self._clients = clients
        if errors:
            raise errors[0]
        return results[0]
