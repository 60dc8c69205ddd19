"""Makes deployments faster: service models are read once, and the CDK CLI does not have to poll."""

from __future__ import annotations

import asyncio
import functools
import re
import time
from types import SimpleNamespace
from typing import Any

from ministack.core import iam_actions, responses
from ministack.services import (
    cloudformation,
    stepfunctions,  # noqa: F401 - must load botocore's own models first
)

_CLI = "aws-cdk"
_IN_PROGRESS = re.compile(r"<StackStatus>(?!REVIEW)\w+_IN_PROGRESS<")
_TIMEOUT_SECONDS = 20.0
_POLL_SECONDS = 0.05


def install() -> None:
    """Install both."""
    _read_service_models_once()
    _delay_answers_to_the_cli()


def _read_service_models_once() -> None:
    """Read each of botocore's service models once, without importing botocore.

    ministack reads a model up to four times, which takes half a second of CPU time in a deployment.
    """
    load = functools.lru_cache(maxsize=1)(iam_actions._load_botocore_model)

    @functools.cache
    def service_model(service: str) -> SimpleNamespace | None:
        document = load(responses._BOTOCORE_NAME.get(service, service))
        return SimpleNamespace(metadata=document["metadata"]) if document else None

    iam_actions._load_botocore_model = load
    responses._service_model = service_model


def _delay_answers_to_the_cli() -> None:
    """Let ``DescribeStacks`` of the CDK CLI wait until the stack is complete, because the CLI polls every five seconds.

    The CLI has no option for the interval. Other clients, such as the stack's functions, are answered at once.
    https://github.com/aws/aws-cdk-cli/blob/main/packages/%40aws-cdk/toolkit-lib/lib/util/promises.ts
    """
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
