"""``python -m pubsub_client`` is ``pubsub``."""

from pubsub_cli.app import main

main()
