"""``python -m pubsub_client`` is ``pubsub``."""

from pubsub_client.cli import main

main()
