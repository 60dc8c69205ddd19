"""What the attachment functions share: the chain from a sign-in to an attached IoT policy."""
