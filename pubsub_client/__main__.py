"""``python -m pubsub_client`` is ``pubsub``."""

from pubsub_cli.commands import main

main()
