"""Evaluates IAM and AWS IoT policies: what signed-in users are allowed, and why not."""
