"""Work with a deadline: the main thread waits for it, and leaves it behind when its time is over.

Cognito gives a trigger five seconds, and a late answer fails the sign-in. Nothing ends work that hangs in a name
resolution, a lock or an import: a signal interrupts none of them. So the work runs in a daemon thread, and nobody uses
again what abandoned work may still hold:

- Its clients, with their connection pools and locks, are never reused. The next run makes clients of its own.
- It calls AWS no more: its session (``sdk_session.py``) stops it before its next request, and drops an answer that
  comes late. So it changes nothing that the next run reads, and it logs nothing, because only the main thread does.
- Lambda freezes it with the environment, and thaws it in the middle of a later invocation. A single request may then
  still go out: one that was signed and was waiting for a connection. AWS accepts its signature for five minutes, and
  each request of the chain can be repeated safely.

An import that was left behind goes on, and the next run waits for it as long as its own time allows.
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
    """The work did not end in time, or no time was left to begin with."""


class AbandonedError(Exception):
    """Raised inside abandoned work, to end it."""


class WorkWithDeadline(Generic[_Clients]):
    """Runs one piece of work after the other, each with a deadline, and keeps the clients from one to the next.

    Args:
        make_clients: makes what the work needs, in its thread. It is given an event that is set when the work is
            abandoned.
    """

    def __init__(self, make_clients: Callable[[threading.Event], _Clients]) -> None:
        self._make_clients = make_clients
        self._clients: _Clients | None = None
        self._abandoned = threading.Event()

    def run(self, work: Callable[[_Clients], _Result], seconds: float) -> _Result:
        """Return what the work returns.

        Args:
            work: is given the clients.
            seconds: how long to wait for it, the making of the clients included.

        Raises:
            DeadlineExceededError: the work did not end in time.
            Exception: what the work, or the making of its clients, raised.
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
