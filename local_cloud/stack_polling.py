"""Delays answers to the CDK CLI about a stack until the stack is done, because the CLI polls every five seconds.

Otherwise a deployment of a few seconds would take the next multiple of five. The CLI has no option for it:
https://github.com/aws/aws-cdk-cli/blob/main/packages/%40aws-cdk/toolkit-lib/lib/util/promises.ts
Other clients are answered at once: functions of a stack call DescribeStacks while it changes.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from ministack.services import cloudformation

_CLI = "aws-cdk"
_IN_PROGRESS = re.compile(r"<StackStatus>(?!REVIEW)\w+_IN_PROGRESS<")
_TIMEOUT_SECONDS = 20.0
_POLL_SECONDS = 0.05


def install() -> None:
    """Let ``DescribeStacks`` of the CDK CLI wait until a running operation ends."""
    handle = cloudformation.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Any:
        answer = await handle(method, path, headers, body, query_params)
        if _CLI in headers.get("user-agent", "") and b"Action=DescribeStacks&" in body and b"StackName=" in body:
            until = time.monotonic() + _TIMEOUT_SECONDS
            while _IN_PROGRESS.search(_text(answer)) and time.monotonic() < until:
                await asyncio.sleep(_POLL_SECONDS)
                answer = await handle(method, path, headers, body, query_params)
        return answer

    cloudformation.handle_request = handle_request


def _text(answer: tuple[int, dict[str, str], bytes | str]) -> str:
    body = answer[2]
    return body.decode() if isinstance(body, bytes) else body
