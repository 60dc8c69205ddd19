"""Attempts to connect that failed: why, and what the provider can do about it."""

from __future__ import annotations

from pubsub_client._client_id import ClientId
from pubsub_client._link import AttemptFailed
from pubsub_client._provider import Provider, Remedy, UpgradeRequest
from pubsub_client._refusal import was_denied, why_refused
from pubsub_client.exceptions import ConnectionRefused


class Attempts:
    """Explains each attempt that failed, and lets the provider remedy a denial once between two connections.

    Args:
        provider: the broker that was asked.
        client_id: the client's.
    """

    def __init__(self, provider: Provider, client_id: ClientId) -> None:
        self.refusal: ConnectionRefused | None = None
        """The last failure as it is known so far."""
        self._provider = provider
        self._client_id = client_id
        self._remedy: Remedy | None = None

    @property
    def remedied(self) -> bool:
        """Whether it is worth trying again because of what the provider has done."""
        return self._remedy is not None and self._remedy.applied

    def succeeded(self) -> None:
        """Let the provider help again the next time."""
        self._remedy = None

    async def explain(self, attempt: AttemptFailed, request: UpgradeRequest | None) -> ConnectionRefused:
        """Return why an attempt failed, and what the provider has done about it.

        Args:
            attempt: how it failed.
            request: what was asked for; None if the request could not be made.
        """
        denied = request is not None and was_denied(attempt)
        if request is None:
            reason = f"the request could not be signed: {attempt.error}"
        else:
            reason = await why_refused(attempt, request, self._provider, str(self._client_id))
        self.refusal = self._refused(reason, attempt, denied=denied)
        if denied and not self.remedied:
            self._remedy = await self._provider.remedy_denial()
        if self._remedy:
            self.refusal = self._refused(f"{reason}. {self._remedy.text}", attempt, denied=denied)
        return self.refusal

    def _refused(self, reason: str, attempt: AttemptFailed, *, denied: bool) -> ConnectionRefused:
        refusal = ConnectionRefused(self._provider.endpoint.authority, reason, denied=denied)
        refusal.__cause__ = attempt.error
        return refusal
