"""Topic patterns that the settings reject, `pubsub adopt` rejects before any AWS call."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--access-mode", "least-privilege", "--topic", "news", "--topic", "????-*/x"],
            "--topic: 'news', '????-*/x' given; in access mode least-privilege a shared topic has no * and no ? before "
            "its first slash",
        ),
        (["--topic", "chat/#"], "--topic: 'chat/#' given; an IoT policy takes # literally"),
        (["--topic", "orders"], "--topic: 'orders' given; at least one must end in *"),
    ],
)
def test_adopt_rejects_topics_that_the_settings_reject(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["adopt", "--amplify-stack", "amplify-shop-dev-103245", *arguments])
    assert done.exit_code == 2
    assert message in done.output
