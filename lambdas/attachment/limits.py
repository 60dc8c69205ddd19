"""How long a call to AWS may take in the chain of a sign-in; importing this module imports the AWS SDK."""

from __future__ import annotations

from botocore.config import Config

LIMITS = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
"""Seconds and attempts. The trigger's deadline ends the chain whatever they add up to."""
