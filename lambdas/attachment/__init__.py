"""The chain from a sign-in to an attached IoT policy, shared by the functions that attach."""
