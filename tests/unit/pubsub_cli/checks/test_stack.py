"""The outputs that a stack must have."""

from __future__ import annotations

import pytest

from pubsub_cli.checks.stack import missing_outputs
from pubsub_client.outputs import SIGN_IN_OUTPUTS, Output


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        (dict.fromkeys(SIGN_IN_OUTPUTS), []),
        (dict.fromkeys({*SIGN_IN_OUTPUTS, Output.SELF_ATTACH_URL}), [Output.SELF_ATTACH_URL]),
        ({Output.RETRY_QUEUE_URL: None}, [Output.RETRY_QUEUE_URL]),
        ({Output.PUBSUB_ENDPOINT: ""}, [Output.PUBSUB_ENDPOINT]),
    ],
    ids=["only self-attach", "self-attach without its URL", "sign-in without the queue", "empty"],
)
def test_missing_outputs_depend_on_how_policies_are_attached(
    changes: dict[Output, str | None], missing: list[Output]
) -> None:
    values = {**dict.fromkeys(Output, "a value"), **changes}
    assert missing_outputs({name.value: value for name, value in values.items() if value is not None}) == missing
