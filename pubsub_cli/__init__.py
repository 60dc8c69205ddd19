"""The operator tool, command ``pubsub``: it checks, repairs and operates a deployment."""
