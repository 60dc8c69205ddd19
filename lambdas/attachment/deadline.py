"""Runs work with a deadline: the main thread waits for it, and abandons it when the time is over.

Cognito gives a trigger five seconds, and a late response fails the sign-in. Nothing stops work that hangs in name
resolution, a lock or an import: no signal interrupts these. So the work runs in a daemon thread, and what abandoned
work might still hold is never used again:

- The next run creates new clients, with their own connection pools and locks.
- Abandoned work makes no more AWS calls: its session (``clients.py``) stops it before the next request and drops a
  late response. So it changes nothing that the next run reads. It logs nothing, because only the main thread does.
- Lambda freezes the thread with the environment and thaws it during a later invocation. One request may then still go
  out: one that was signed and waited for a connection. AWS accepts its signature for five minutes, and each request of
  the chain is idempotent.

An abandoned import goes on, and the next run waits for it within its own time.
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Clients = TypeVar("_Clients")
_Result = TypeVar("_Result")


class DeadlineExceededError(Exception):
    """The work did not end in time, or there was no time left to start it."""


class AbandonedError(Exception):
    """Raised inside abandoned work to stop it."""


class DeadlineRunner(Generic[_Clients]):
    """Runs one piece of work after another, each with a deadline, and keeps the clients between them.

    Args:
        make_clients: creates what the work needs, in its thread. Its argument is an event that is set when the work is
            abandoned.
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
            Exception: the error of the work, or of the creation of its clients.
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
