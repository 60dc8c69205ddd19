"""How long a call to AWS may take in the chain of a sign-in; importing this module imports the AWS SDK."""

from __future__ import annotations

from botocore.config import Config


def limits(attempts: int, *, threads: int = 1) -> Config:
    """Return seconds and attempts. The trigger's deadline ends the chain whatever they add up to.

    Args:
        attempts: how often a call is made that fails in a way that passes.
        threads: how many may call at once.

    Merged into another configuration, retries would lose their mode: hence a function.
    """
    return Config(
        connect_timeout=1,
        read_timeout=2,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=threads,
    )


LIMITS = limits(attempts=2)
