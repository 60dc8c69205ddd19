"""Send messages."""

from pubsub import TOPIC
from pubsub_client import get


async def send_message(text: str) -> None:
    """Publish a text, and return when AWS IoT has acknowledged it."""
    await get().publish(TOPIC, {"msg": text})
