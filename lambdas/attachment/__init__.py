"""Attachment of the IoT policy, shared by the functions that attach."""
