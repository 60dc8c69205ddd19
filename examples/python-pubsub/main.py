"""Sign in, show the latest message, and send each line of input until it ends (Ctrl-D)."""

import asyncio
import os
import sys
from getpass import getpass

from latest_message import show_latest_message
from pubsub import session
from pubsub_client import get
from send_message import send_message


async def main(user_name: str) -> None:
    """Chat as this user."""
    await session.sign_in(user_name, os.environ.get("PUBSUB_PASSWORD") or getpass())
    async with get():
        showing = asyncio.create_task(show_latest_message())
        while line := await asyncio.to_thread(sys.stdin.readline):
            await send_message(line.strip())
    await showing
    await session.sign_out()


asyncio.run(main(sys.argv[1]))
