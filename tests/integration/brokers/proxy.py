"""An HTTP proxy that connects every tunnel to one loopback port, for any requested host."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.integration.brokers.broker_process import HOST
from tests.integration.serving import forward, serving


class Proxy:
    """StubbedAws CONNECT requests, and checks the user name and password if there are any."""

    def __init__(self, target_port: int, user: str, *, silent: bool) -> None:
        self.port = 0
        self.requests: list[str] = []
        """The request lines."""
        self.rejected = 0
        """The number of requests without the right user name and password."""
        self._silent = silent
        self._target_port = target_port
        self._authorization = f"Basic {base64.b64encode(user.encode()).decode()}" if user else None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and forward its tunnel until one side closes it."""
        first, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.requests.append(first)
        if self._silent:
            writer.close()
            return
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        if self._authorization and headers.get("proxy-authorization") != self._authorization:
            self.rejected += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        from_target, to_target = await asyncio.open_connection(HOST, self._target_port)
        await asyncio.gather(forward(reader, to_target), forward(from_target, writer))


@asynccontextmanager
async def proxy_to(port: int, *, user: str = "", silent: bool = False) -> AsyncIterator[Proxy]:
    """Serve a proxy.

    Args:
        port: the port at the end of every tunnel.
        user: the required ``name:password``; empty for no authentication.
        silent: whether to close every connection without an answer.
    """
    proxy = Proxy(port, user, silent=silent)
    async with serving(proxy.serve) as proxy.port:
        yield proxy
