"""Counts the calls the cloud was asked to make, by operation, such as ``iot:AttachPolicy``."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ministack import app as ministack
from ministack.core.iam_actions import extract_iam_action
from ministack.core.router import detect_service

counts: Counter[str] = Counter()


def install() -> None:
    """Count each request before ministack looks at it, those it refuses included."""
    dispatch = ministack._dispatch_service_request

    async def dispatch_service_request(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
        request_id: str,
    ) -> Any:
        service = detect_service(method, path, headers, query_params)
        action = extract_iam_action(service, method, path, headers, body, query_params)
        counts[action or f"{service}:{method}"] += 1
        return await dispatch(method, path, headers, body, query_params, request_id)

    ministack._dispatch_service_request = dispatch_service_request
