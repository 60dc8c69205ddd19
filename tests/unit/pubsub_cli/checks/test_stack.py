"""The outputs that a stack must have."""

from __future__ import annotations

from pubsub_cli.checks.stack import missing_outputs
from pubsub_client.outputs import SIGN_IN_OUTPUTS, Output


def test_stack_with_only_self_attach_needs_no_trigger_outputs() -> None:
    outputs = {str(name): "a value" for name in Output if name not in SIGN_IN_OUTPUTS}
    assert missing_outputs(outputs) == []
    del outputs[Output.SELF_ATTACH_URL]
    assert missing_outputs(outputs) == [Output.SELF_ATTACH_URL]


def test_stack_with_attachment_at_sign_in_needs_all_outputs() -> None:
    outputs = {str(name): "a value" for name in Output if name is not Output.RETRY_QUEUE_URL}
    assert missing_outputs(outputs) == [Output.RETRY_QUEUE_URL]


def test_empty_output_is_missing() -> None:
    outputs = {str(name): "a value" for name in Output} | {Output.PUBSUB_ENDPOINT: ""}
    assert missing_outputs(outputs) == [Output.PUBSUB_ENDPOINT]
