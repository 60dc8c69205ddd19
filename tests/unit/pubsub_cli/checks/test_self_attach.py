"""What the route's answer to an unsigned request says about who authorizes it."""

from __future__ import annotations

import pytest

from pubsub_cli.checks import self_attach
from pubsub_cli.checks.self_attach import UnsignedSelfAttachIsRejected
from pubsub_cli.finding import Status
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.answers import OUTPUTS, Answers, find

OF_FUNCTION = b'{"check": "PS203"}'
OF_GATEWAY = b'{"message": "no"}'


@pytest.mark.parametrize(
    ("code", "body", "status"),
    [
        (403, OF_GATEWAY, Status.PASSED),
        (401, OF_GATEWAY, Status.PASSED),
        (200, OF_GATEWAY, Status.FAILED),
        (403, OF_FUNCTION, Status.FAILED),
        (500, OF_FUNCTION, Status.FAILED),
        (404, OF_GATEWAY, Status.UNKNOWN),
        (429, OF_GATEWAY, Status.UNKNOWN),
        (503, b"", Status.UNKNOWN),
    ],
)
async def test_only_what_the_function_answered_passes_api_gateway(
    code: int, body: bytes, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_attach, "_post_unsigned", lambda _: (code, body))
    outputs = {**OUTPUTS, Output.SELF_ATTACH_URL: "https://abc.execute-api.eu-west-1.amazonaws.com/self-attach"}
    assert (await find(UnsignedSelfAttachIsRejected, Answers(), outputs=outputs)).status is status
