"""What an operator asks or does about one user or identity of a deployment."""
