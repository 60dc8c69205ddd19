"""Counts calls by operation, records the permissions that IAM users need, and injects faults."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from ministack import app as ministack
from ministack.core import iam_evaluator
from ministack.core.iam_actions import extract_iam_action
from ministack.core.router import detect_service

from local_cloud.faults.injection import inject_fault

counts: Counter[str] = Counter()
permissions: defaultdict[str, set[str]] = defaultdict(set)
"""The actions for which IAM users needed permissions, such as ``iam:PassRole``, by the user's ARN."""


def install() -> None:
    """Count requests and inject faults before ministack handles them, so that rejected requests count too."""
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
        answer = await inject_fault(service, operation, headers, request_id)
        if answer is not None:
            return answer
        return await dispatch(method, path, headers, body, query_params, request_id)

    ministack._dispatch_service_request = dispatch_service_request
    evaluate = iam_evaluator.evaluate

    def evaluate_and_record(context: iam_evaluator.EvalContext, *policies: Any) -> Any:
        if context.principal_type == "User":
            permissions[context.principal_arn].add(context.action)
        return evaluate(context, *policies)

    iam_evaluator.evaluate = evaluate_and_record
