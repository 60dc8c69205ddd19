"""The server's own process: ministack's settings, its behaviours, and hypercorn on loopback."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

HOST = "127.0.0.1"


def serve(port: int, region: str, *, without: Collection[str] = (), exit_with_parent: bool = False) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        port: a free port of the loopback address.
        region: the region of what is made without naming one.
        without: behaviours to leave out, for the tests that ask whether ministack has them by now.
        exit_with_parent: end when standard input closes, so that the server never outlives who started it.
    """
    with tempfile.TemporaryDirectory(prefix="local-cloud-", ignore_cleanup_errors=True) as scratch:
        _configure_ministack(port, region, scratch)
        asyncio.run(_serve(port, without, exit_with_parent))


def _configure_ministack(port: int, region: str, scratch: str) -> None:
    """Set what ministack reads from the environment when it is imported."""
    os.environ |= {
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "IOT_MTLS_ENABLED": "0",
        "TMPDIR": scratch,
        # JavaScript functions run on the Node of the virtual environment.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    tempfile.tempdir = None


async def _serve(port: int, without: Collection[str], exit_with_parent: bool) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app

    from local_cloud import behaviours, calls
    from local_cloud.front import in_front_of

    behaviours.install(without)
    calls.install()
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if exit_with_parent:
        threading.Thread(target=_wait_for_parent, args=(loop, ended), daemon=True).start()
    config = Config()
    config.bind = [f"{HOST}:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    logging.getLogger("hypercorn.access").setLevel(logging.WARNING)
    await hypercorn_serve(in_front_of(app), config, shutdown_trigger=ended.wait)  # type: ignore[arg-type]


def _wait_for_parent(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Wait until the other end of standard input is closed, which the system does when the parent is gone."""
    while os.read(0, 1024):
        pass
    if not loop.is_closed():
        loop.call_soon_threadsafe(ended.set)
