"""One module per command of ``pubsub``; each is imported when its command runs."""
