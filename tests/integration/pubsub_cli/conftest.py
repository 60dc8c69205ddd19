from __future__ import annotations

from tests.integration.pubsub_client.conftest import deployment, provider, session, topic

__all__ = ["deployment", "provider", "session", "topic"]
