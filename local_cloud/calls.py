"""What every call passes first: it is counted by operation, such as ``iot:AttachPolicy``, and meets the faults set."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ministack import app as ministack
from ministack.core.iam_actions import extract_iam_action
from ministack.core.router import detect_service

from local_cloud.faults.answers import answer_of_a_fault

counts: Counter[str] = Counter()


def install() -> None:
    """Count each request, and let it meet faults, before ministack looks at it; those it refuses are counted too."""
    dispatch = ministack._dispatch_service_request

    async def dispatch_service_request(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
        request_id: str,
    ) -> Any:
        service: str = detect_service(method, path, headers, query_params)
        action = extract_iam_action(service, method, path, headers, body, query_params)
        operation = action or f"{service}:{method}"
        counts[operation] += 1
        answer = await answer_of_a_fault(service, operation, headers, request_id)
        if answer is not None:
            return answer
        return await dispatch(method, path, headers, body, query_params, request_id)

    ministack._dispatch_service_request = dispatch_service_request
