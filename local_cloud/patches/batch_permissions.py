"""Who may send, delete or hide one message may do so with ten at once; batches have no permission of their own.

ministack asks for ``sqs:SendMessageBatch`` and the like, which AWS does not know.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_actions

NEEDS = {iam_actions: ("extract_iam_action",)}


def install() -> None:
    """Ask for the permission of the single action."""
    extract = iam_actions.extract_iam_action

    def extract_iam_action(service: str, *request: Any) -> str | None:
        action: str | None = extract(service, *request)
        return action.removesuffix("Batch") if service == "sqs" and action else action

    iam_actions.extract_iam_action = extract_iam_action
