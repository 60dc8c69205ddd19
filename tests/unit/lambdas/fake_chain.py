"""The chain of a sign-in and its queues in memory, for the trigger and the worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from attachment.errors import AttachmentPausedError
from attachment.pending import PendingAttachment

IDENTITY_ID = "eu-west-1:11111111-2222-3333-4444-555555555555"
MAC = bytes(32)


def raises(error: BaseException) -> Callable[..., Any]:
    """Return a function that raises this error."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def hangs(*_: object, **__: object) -> None:
    """Never return, as a call in name resolution can."""
    threading.Event().wait()


def _succeeds(*_: object, **__: object) -> None:
    return


@dataclass
class FakeChain:
    """Replaces the chain, both queues and the rate limiter, and records their calls.

    Attributes:
        on_find, on_attach, on_mac, on_send: are called first, and can fail or hang; ``on_attach`` can return why the
            marker was not set.
    """

    paused: bool = False
    verified: bool = True
    user_can_sign_in: bool = True
    on_find: Callable[..., Any] = _succeeds
    on_attach: Callable[..., Any] = _succeeds
    on_mac: Callable[..., Any] = _succeeds
    on_send: Callable[..., Any] = _succeeds
    found: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    queued: list[PendingAttachment] = field(default_factory=list)
    dead_letters: list[dict[str, Any]] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    waits: int = 0
    slow_downs: int = 0

    @property
    def chain(self) -> FakeChain:
        return self

    @property
    def queue(self) -> FakeChain:
        return self

    def check_not_paused(self) -> None:
        if self.paused:
            raise AttachmentPausedError

    def check_not_internal(self, client_id: str) -> None:
        assert client_id == "web"

    def is_verified(self, _: PendingAttachment) -> bool:
        return self.verified

    def can_sign_in(self, _: PendingAttachment) -> bool:
        return self.user_can_sign_in

    def find_identity(self, pending: PendingAttachment) -> None:
        self.on_find(pending)
        pending.identity_id = IDENTITY_ID
        self.found.append(pending.user_name)

    def attach(self, pending: PendingAttachment) -> Any:
        warning = self.on_attach(pending)
        self.attached.append(str(pending.identity_id))
        return warning

    def generate_mac(self, _: PendingAttachment) -> Any:
        self.on_mac()
        return MAC

    def send(self, pending: PendingAttachment) -> None:
        self.on_send()
        self.queued.append(PendingAttachment.parse(pending.to_message()))

    def send_message(self, **request: Any) -> dict[str, str]:
        self.on_send()
        self.dead_letters.append(request)
        return {"MessageId": "1"}

    def change_message_visibility(self, **request: Any) -> None:
        self.on_send()
        self.delays.append(request["VisibilityTimeout"])

    def wait(self) -> None:
        self.waits += 1

    def slow_down(self) -> None:
        self.slow_downs += 1
