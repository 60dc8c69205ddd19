"""Work that must come to its end before anything is cleaned up after it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def uninterrupted(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for work that makes something; when cancelled, let it finish first, so that what it made can be removed.

    Raises:
        asyncio.CancelledError: cancelled; the work has ended all the same.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
