"""The server process: ministack with its settings and the patches, served by hypercorn on loopback."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Collection
from pathlib import Path

from local_cloud import saved_state
from local_cloud.environment import ACCOUNT_ID, CREDENTIALS, HOST, without_aws
from local_cloud.function_processes import FUNCTION_RUNTIME, fork_server

STAY = b"stay"
"""The message on standard input after which the server outlives its parent."""

_GRACE_SECONDS = 2.0


def serve(
    listener: socket.socket,
    region: str,
    *,
    without: Collection[str] = (),
    saved: Path | None = None,
) -> None:
    """Serve until SIGTERM, Ctrl-C, or the end of standard input, which is the end of the parent.

    After :data:`STAY` on standard input the server outlives its parent.

    Args:
        listener: listens on a loopback port; the server closes it.
        region: the default region.
        without: patches to leave out, for the tests that check whether ministack needs them.
        saved: the saved state of a cloud in this region to start from.

    Raises:
        SavedStateError: the state cannot be restored.
    """
    with tempfile.TemporaryDirectory(prefix="local-cloud-", ignore_cleanup_errors=True) as scratch:
        port = listener.getsockname()[1]
        _configure_ministack(port, region, scratch)
        if saved:
            saved_state.restore(saved, Path(scratch), port)
        from ministack.core import lambda_runtime

        asyncio.new_event_loop().run_until_complete(_serve(listener, without))
        lambda_runtime.reset()  # ends the processes of functions, also busy ones
        fork_server.end()
    # asyncio.run and sys.exit would wait for threads with blocked calls.
    os._exit(0)


def _configure_ministack(port: int, region: str, scratch: str) -> None:
    """Set the variables that ministack reads on import, and remove others."""
    environment = without_aws(os.environ) | CREDENTIALS
    environment |= {
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "SERVICES": "",
        "LOG_LEVEL": "INFO",
        "USE_SSL": "0",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        **saved_state.directories(Path(scratch)),
        "LOCALSTACK_PERSISTENCE": "0",
        "TMPDIR": scratch,
        # AWS's default quota; ministack's depends on this machine's memory.
        # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
        "LAMBDA_ACCOUNT_CONCURRENCY": environment.get("LAMBDA_ACCOUNT_CONCURRENCY", "1000"),
        # Functions run as processes. Docker is hidden, because ministack removes the containers of every ministack on
        # this machine when it starts and ends.
        "LAMBDA_EXECUTOR": "local",
        "PYTHONPATH": str(FUNCTION_RUNTIME),
        "DOCKER_HOST": f"unix://{scratch}/no-docker.sock",
    }
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None


async def _serve(listener: socket.socket, without: Collection[str]) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app

    from local_cloud import (
        calls,
        credentials_lifetime,
        deployment_speed,
        function_processes,
        patches,
        propagation,
    )
    from local_cloud.middleware import with_own_addresses

    patches.install(without)
    saved_state.install()
    credentials_lifetime.install()
    propagation.install()
    calls.install()
    function_processes.install()
    deployment_speed.install()
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    threading.Thread(target=_wait_for_parent, args=(loop, ended), daemon=True).start()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = _GRACE_SECONDS / 2
    logging.getLogger("hypercorn.access").setLevel(logging.WARNING)
    serving = asyncio.create_task(hypercorn_serve(with_own_addresses(app), config, shutdown_trigger=ended.wait))  # type: ignore[arg-type]
    serving.add_done_callback(lambda _: ended.set())
    await ended.wait()
    # hypercorn waits for every running call, and a function can take minutes.
    await asyncio.wait({serving}, timeout=_GRACE_SECONDS)
    if serving.done():
        serving.result()


def _wait_for_parent(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Wait until standard input is closed, as the operating system does when the parent ends."""
    message = b""
    while read := os.read(0, 1024):
        message += read
    if message != STAY and not loop.is_closed():
        loop.call_soon_threadsafe(ended.set)


def main() -> None:
    """Serve as :meth:`LocalCloud.start` requests, without importing typer and the AWS SDK, to start faster."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listener", type=int, required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--saved", type=Path)
    options = parser.parse_args()
    listener = socket.socket(fileno=options.listener)
    from local_cloud.patches import PatchError

    try:
        serve(listener, options.region, without=options.without, saved=options.saved)
    except (PatchError, saved_state.SavedStateError) as error:
        sys.exit(f"local_cloud: {error}")


if __name__ == "__main__":
    main()
