"""Show the latest message."""

from pubsub import TOPIC
from pubsub_client import get


async def show_latest_message() -> None:
    """Print each message until the PubSub is closed."""
    async with get().subscribe(TOPIC) as messages:
        print(f"subscribed to {TOPIC}", flush=True)
        async for message in messages:
            match message.payload:
                case {"msg": str(text)}:
                    print(f"latest message: {text}", flush=True)
